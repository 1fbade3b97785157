using System.Globalization;
using NixBuildFarm.Observing;

namespace NixBuildFarm.Deciding.Journal;

/// <summary>Actions as a journal has them: a line each, for people and for comparing.</summary>
internal static class ActionText
{
    /// <summary>An action as a line; null: it is not worth one.</summary>
    public static string? Of(RunAction action) => action switch
    {
        RunAction.StartBuild a => Line($"start {a.Attempt} with {a.Attempt.Cores} cores"),
        RunAction.StopBuild a => $"stop {a.Attempt}",
        RunAction.Prefetch a => $"prefetch {a.Job.Name} to {a.On}",
        RunAction.Fetch a => $"fetch {a.Job.Name}",
        RunAction.Expand a => $"expand {a.Job.Name}: {a.Made}",
        RunAction.BringHome a => Line($"bring home {a.Copy.Attempt}, after {a.Copy.Failures} failures"),
        RunAction.Push a => Line($"push {a.Outputs} after {a.After.TotalSeconds} s"),
        RunAction.Connect a => Line($"connect {a.Builder.Name} after {a.After.TotalSeconds} s"),
        RunAction.Await a => $"await {a.Builder.Name}",
        RunAction.AwaitSlot a => $"await slot of {a.On}",
        RunAction.WakeQuarantined => "wake quarantined",
        RunAction.Watch a => $"watch {a.On}",
        RunAction.Probe a => $"probe {a.On}",
        RunAction.Disconnect a => $"disconnect {a.On}",
        RunAction.DropPaths a => $"drop {string.Join(", ", a.Paths)} on {a.On}",
        RunAction.DropSource a => $"drop {a.On} as source of {a.Needs.Name}",
        RunAction.Pause a => Line($"pause {a.On} for {a.Time.TotalSeconds} s"),
        RunAction.Tell { News: RunNews.Ended(var result) } =>
            $"tell {result.Name} {result.Status}{(result.Error is { } error ? $": {error}" : "")}",
        RunAction.Tell { News: RunNews.Degraded(var message) } => $"warn {message}",
        RunAction.Tell { News: RunNews.Decided(var message) } => $"say {message}",
        RunAction.Tell { News: RunNews.BuilderFailed(var builder, var error) } => $"tell {builder.Name} failed: {error.Message}",
        RunAction.KeepBuild { Build: { WasKilled: true } build } =>
            Line($"learn {build.Package} takes more than {build.PeakMemory} bytes on {build.Builder}"),
        RunAction.KeepBuild a => Line($"learn {a.Build.Package} takes {a.Build.Seconds:0.000} s on {a.Build.Builder}"),
        RunAction.KeepTrouble a => Line($"learn {a.Trouble.Builder} opened {a.Trouble.Openings} times"),
        RunAction.LetBegin a => $"let {a.Attempt} begin",
        RunAction.PrepareHelper a => $"prepare {a.On} for shared build {a.Build}",
        RunAction.CompileHere a => $"compile {a.Compile} at home",
        RunAction.Lend a => $"compile {a.Compile} on {a.On}",
        RunAction.Recall a => $"stop compile {a.Compile}",
        RunAction.Joined a => $"request {a.Request} has joined",
        RunAction.RequestEnded a => $"request {a.Request} has ended",
        RunAction.StopRun => "stop run",
        _ => null,
    };

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
