using System.Collections.Concurrent;
using NixBuildFarm.Compiling;
using NixBuildFarm.Deciding;
using NixBuildFarm.FollowUp;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Text;

namespace NixBuildFarm.Running;

/// <summary>Tells the observer of a run what was decided, and what builds print. Safe for concurrent use.</summary>
internal sealed class RunTeller(IBuildObserver observer)
{
    private readonly ConcurrentDictionary<Attempt, string> phases = new();

    /// <summary>Knows what is compiled where; null: nothing is shared.</summary>
    public SharedBuilds? Shared { get; init; }

    /// <summary>Whether directories of failed builds are brought to this machine: then the results tell where they are.</summary>
    public bool BringsFoldersHome { get; init; }

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
                phases[attempt] = Printable.Replaced(phase.Phase);
                break;
            case DaemonLogLine { Text: var text } when KeptFolder.AnnouncedIn(text) is { } kept && !IsBrought(text):
                Tell(new RunNews.Degraded($"{attempt.Job.Name}: {kept}"));
                break;
            case BuildLogLine { IsContinued: false } line:
                observer.Observe(new RunNews.Printed(ToRunningBuild(attempt), line.IsUnfinished ? line.Line + '…' : line.Line));
                break;
        }
    }

    /// <summary>The phase that a build has come to by what it says; null: none that tells how much of it is left.</summary>
    public static TellingPhase? PhaseOf(DaemonMessage message) => message switch
    {
        // As stdenv of nixpkgs names them.
        BuildPhaseEntered { Phase: "checkPhase" } => TellingPhase.Check,
        BuildPhaseEntered { Phase: "installPhase" } => TellingPhase.Install,
        _ => null,
    };

    /// <summary>An attempt says nothing more.</summary>
    public void Forget(Attempt attempt) => phases.TryRemove(attempt, out _);

    private bool IsBrought(string announcement) => BringsFoldersHome && KeptFolder.PathIn(announcement) is not null;

    private RunningBuild ToRunningBuild(Attempt attempt) => attempt.ToRunningBuild(phases.GetValueOrDefault(attempt)) with
    {
        Compiles = attempt.Share is { } terms ? Shared?.UnderWay(terms.Build) : null,
    };
}
