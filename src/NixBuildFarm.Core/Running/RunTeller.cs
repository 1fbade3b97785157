using System.Collections.Concurrent;
using NixBuildFarm.Compiling;
using NixBuildFarm.Deciding;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Running;

/// <summary>Tells the observer of a run what was decided, and what builds print. Safe for concurrent use.</summary>
internal sealed class RunTeller(IBuildObserver observer)
{
    private const string KeptFolder = "keeping build directory";

    private readonly ConcurrentDictionary<Attempt, string> phases = new();

    /// <summary>Knows what is compiled where; null: nothing is shared.</summary>
    public SharedBuilds? Shared { get; init; }

    /// <summary>Tells what was decided to be told.</summary>
    public void Tell(RunNews news) => observer.Observe(news);

    /// <summary>Tells where the run stands.</summary>
    public void Tell(RunAction.TellProgress standing) =>
        observer.Observe(new RunNews.Progressed(standing.Progress with { Running = [.. standing.Running.Select(ToRunningBuild)] }));

    /// <summary>Passes on what a builder's daemon says of a build.</summary>
    public void Hear(Attempt attempt, DaemonMessage message)
    {
        switch (message)
        {
            case BuildPhaseEntered phase:
                phases[attempt] = phase.Phase;
                break;
            // As the daemon words it. [src/libstore of NixOS/nix, where a build's folder is deleted]
            case DaemonLogLine { Text: var text } when text.Contains(KeptFolder, StringComparison.Ordinal):
                Tell(new RunNews.Degraded($"{attempt.Job.Name}: {text[text.IndexOf(KeptFolder, StringComparison.Ordinal)..].TrimEnd()}"));
                break;
            case BuildLogLine { IsContinued: false } line:
                observer.Observe(new RunNews.Printed(ToRunningBuild(attempt), line.IsUnfinished ? line.Line + '…' : line.Line));
                break;
        }
    }

    /// <summary>An attempt says nothing more.</summary>
    public void Forget(Attempt attempt) => phases.TryRemove(attempt, out _);

    private RunningBuild ToRunningBuild(Attempt attempt) => attempt.ToRunningBuild(phases.GetValueOrDefault(attempt)) with
    {
        Compiles = attempt.Share is { } terms ? Shared?.UnderWay(terms.Build) : null,
    };
}
