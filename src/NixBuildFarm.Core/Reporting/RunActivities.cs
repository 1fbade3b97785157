using NixBuildFarm.Builders;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Reporting;

/// <summary>
/// Tells a run in the messages of a Nix daemon: each build is an activity with its builder, log lines, phases and end, and all of them
/// together are one with its progress; so are the copies between stores.
/// </summary>
internal sealed class RunActivities : IBuildObserver
{
    private readonly object gate = new();
    private readonly Action<DaemonMessage> say;
    private readonly Func<ulong> nextId;
    private readonly CopyActivities copies;
    private readonly Dictionary<(string Derivation, string Builder), (ulong Id, string Phase)> running = [];
    private readonly Dictionary<string, NixBuildStatus> ended = [];
    private readonly HashSet<string> begun = [];
    private int substituted;
    private int built;
    private int failed;
    private RunProgress progress = new(0, 0, 0, []);
    private ulong? overall;
    private ulong lastId;
    private bool hasEnded;

    /// <summary>Makes it; nothing is told yet.</summary>
    /// <param name="say">Takes the messages, one at a time and in order.</param>
    /// <param name="nextId">Gives an id that no other activity of its reader has; null: they are counted from 1.</param>
    public RunActivities(Action<DaemonMessage> say, Func<ulong>? nextId = null)
    {
        this.say = say;
        this.nextId = nextId ?? (() => ++lastId);
        copies = new(say, this.nextId);
    }

    /// <summary>What is said of a derivation that has just failed; null: nothing.</summary>
    public Func<NixBuildResult, string?> Failure { get; init; } =
        static result => result.Error is null ? null : $"{result.Name}: {result.Error}";

    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        lock (gate)
        {
            if (hasEnded || news is RunNews.Began or RunNews.Found or RunNews.Over) return;
            overall ??= Start(ActivityType.Builds, "", [], 0);
            switch (news)
            {
                case RunNews.Ended(var result): End(result); break;
                case RunNews.Printed(var build, var text): say(new BuildLogLine(IdOf(build), text)); break;
                case RunNews.Progressed(var now): Show(now); break;
                case RunNews.Copying(var copy): copies.Show(copy); break;
                case RunNews.BuilderFailed(_, var error): Message(Verbosity.Error, $"error: {error.Message}"); break;
                case RunNews.HistoryFailed(var error): Message(Verbosity.Warn, $"warning: {error.Message}"); break;
                case RunNews.Degraded(var message): Message(Verbosity.Warn, $"warning: {message}"); break;
                // What the scheduler decides is no news to a reader of builds.
            }
        }
    }

    /// <summary>Ends what has begun. What comes after that is not told any more.</summary>
    public void End()
    {
        lock (gate)
        {
            if (hasEnded) return;
            hasEnded = true;
            foreach (var key in running.Keys.ToArray()) Stop(key);
            copies.End();
            if (overall is not { } activity) return;
            Count(activity);
            say(new ActivityStopped(activity));
        }
    }

    private void End(NixBuildResult result)
    {
        // One that is built again, since its outputs were lost, ends twice.
        if (ended.Remove(result.DerivationPath, out var before)) Tally(before, -1);
        // Nor need one that was short have been under way when progress was told.
        else if (result is { Status: NixBuildStatus.Built, Builder: { } builder, Started: { } started } && begun.Add(result.DerivationPath))
        {
            Begin(new(result.Name, builder, started, "") { DerivationPath = result.DerivationPath });
        }
        ended.Add(result.DerivationPath, result.Status);
        Tally(result.Status, 1);
        foreach (var build in running.Where(build => build.Key.Derivation == result.DerivationPath).ToArray()) Stop(build.Key);
        if (!result.Success && Failure(result) is { } failure) Message(Verbosity.Error, $"error: {failure}");
    }

    private void Show(RunProgress now)
    {
        progress = now;
        // The supply of inputs comes before the build: it is told as copies.
        var building = progress.Running.Where(build => build.Phase != "supplying");
        var current = building.ToDictionary(build => (build.DerivationPath, build.Builder));
        foreach (var gone in running.Keys.Where(key => !current.ContainsKey(key)).ToArray()) Stop(gone);
        foreach (var (key, build) in current)
        {
            var id = IdOf(build);
            if (running[key].Phase == build.Phase || build.Phase == "building") continue;
            running[key] = (id, build.Phase);
            say(new BuildPhaseEntered(id, build.Phase));
        }
        Count(overall!.Value);
    }

    /// <summary>Builds alone, as Nix counts them: what is substituted is a copy. The last ends may come after the last progress.</summary>
    private void Count(ulong activity)
    {
        say(new ActivityProgress(
            activity,
            (ulong)Math.Max(built, progress.Done - substituted),
            (ulong)Math.Max(built + failed, progress.Total - progress.Substitutions),
            (ulong)running.Count,
            (ulong)Math.Max(failed, progress.Failed)));
    }

    private void Tally(NixBuildStatus status, int count)
    {
        if (!status.IsSuccess()) failed += count;
        else if (status == NixBuildStatus.Built) built += count;
        else if (status == NixBuildStatus.Substituted) substituted += count;
    }

    private ulong IdOf(RunningBuild build) =>
        running.TryGetValue((build.DerivationPath, build.Builder), out var known) ? known.Id : Begin(build);

    private ulong Begin(RunningBuild build)
    {
        // An empty machine is this one.
        var machine = build.Builder == NixBuilder.LocalName ? "" : build.Builder;
        var where = machine == "" ? "" : $" on '{machine}'";
        var id = Start(
            ActivityType.Build,
            $"building '{build.DerivationPath}'{where}",
            [new(0, build.DerivationPath), new(0, machine), new(1, null), new(1, null)],
            overall!.Value);
        running[(build.DerivationPath, build.Builder)] = (id, "");
        begun.Add(build.DerivationPath);
        return id;
    }

    private ulong Start(ActivityType type, string text, IReadOnlyList<ActivityField> fields, ulong parent)
    {
        var id = nextId();
        say(new ActivityStarted(id, Verbosity.Info, type, text, fields, parent));
        return id;
    }

    private void Stop((string, string) key)
    {
        if (running.Remove(key, out var build)) say(new ActivityStopped(build.Id));
    }

    private void Message(Verbosity level, string text) => say(new DaemonLogLine(text) { Level = level });
}
