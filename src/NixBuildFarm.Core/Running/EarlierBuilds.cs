using NixBuildFarm.Builders;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.Running;

/// <summary>
/// Asks each builder of a run, once in a while and beside its builds, what its logs tell of builds that others have done there. What it
/// answers is for later runs.
/// </summary>
internal sealed class EarlierBuilds(RunTasks tasks, RunTeller teller, RunClock clock)
{
    /// <summary>A run that is shorter than this asks nobody: its builds come first.</summary>
    internal static readonly TimeSpan First = TimeSpan.FromSeconds(5);

    /// <summary>Asks a builder, unless it was asked not long ago.</summary>
    public async Task AskAsync(NixBuilder builder, BuilderSession session, RunHistory history)
    {
        // Its login runs nothing but Nix, as it has shown.
        if (session.Facts.Machine == new BuilderMachine()) return;
        await clock.DelayAsync(First, tasks.Stopping);
        var source = OtherSources.LogsOf(builder);
        if (session.IsClosed || !history.Others.WantsBuildsOf(source)) return;
        if (await session.AskBuildTimesAsync(tasks.Stopping) is not { } times) return;
        var builds = LoggedBuilds.Of(times, builder, clock.UtcNow);
        history.Others.Import(source, builds);
        if (builds.Count > 0)
        {
            teller.Tell(
                new RunNews.Decided($"{builder.Name} tells of {builds.Count} builds by its logs, for the estimates of later runs."));
        }
    }
}
