using NixBuildFarm.Scheduling;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Has outputs built again that are lost with their builder, damaged where they lie, or that a builder cannot give. Damaged ones are built
/// elsewhere, as long as tries are left.
/// </summary>
internal sealed class Rebuilds(RunFacts facts, Attempts attempts)
{
    /// <summary>The path that an error says is of no use; null where it names none.</summary>
    public static StorePath? UselessPathOf(Exception error) => error switch
    {
        DamagedPathException e => e.Path,
        PathLostException e => e.Path,
        _ => null,
    };

    /// <summary>The error for the user, with the advice where a path is damaged.</summary>
    public static string InWords(Exception error) =>
        error is DamagedPathException { Recommendation: { } advice } ? $"{error.Message} {advice}" : error.Message;

    /// <summary>A builder is gone: what only it had, and is still needed, is built again.</summary>
    /// <param name="lost">The builder.</param>
    /// <param name="missing">Jobs that are done, and whose outputs nobody has now.</param>
    public void BuildWhatOnlyHad(RunBuilder lost, IReadOnlyList<RunJob> missing)
    {
        var scheduler = facts.Scheduler;
        var gone = missing.Select(job => job.Index).ToHashSet();
        foreach (var index in LostOutputs.Of(scheduler.Graph, IsMissing, IsNeeded))
        {
            facts.Reporter.Decided($"{facts.Jobs[index].Name} is built again: only {lost} had it.");
            facts.Undo(facts.Jobs[index]);
        }

        bool IsMissing(int job) => scheduler.StateOf(job) == JobState.Done && gone.Contains(job);
        bool IsNeeded(int job) => (facts.Jobs[job].IsRequested && !facts.Jobs[job].HasEnded) || scheduler.HasUnsettledDependents(job);
    }

    /// <summary>Nobody can give some paths any more.</summary>
    public void OnSourceDropped(RunEvent.SourceDropped dropped)
    {
        foreach (var path in dropped.Paths) BuildAgain(path, dropped.Reason);
    }

    /// <summary>Has the job built again that makes a path which no builder has any more.</summary>
    public void BuildAgain(StorePath path, string reason)
    {
        foreach (var job in facts.Jobs.Where(job => facts.Scheduler.StateOf(job.Index) == JobState.Done && job.Outputs.Contains(path)))
        {
            BuildAgain(job, reason);
        }
    }

    /// <summary>Has a job that is done built again, on another builder.</summary>
    public void BuildAgain(RunJob job, string reason)
    {
        // Where it lies already the builder would not build it, and what needs it there would get it as it is.
        if (job.Last is { } last)
        {
            Exclude(job.Index, last.Builder);
            foreach (var dependent in facts.Scheduler.Graph.DependentsOf(job.Index)) Exclude(dependent, last.Builder);
            attempts.RecordFailure(last, reason);
        }
        facts.Reporter.Degraded($"{job.Name} is built again: {reason}");
        facts.Undo(job);
        if (attempts.AreUsedUp(job) && job.Last is { } tried) attempts.GiveUp(tried);
        else BuildLostNeedsOf(job);
    }

    /// <summary>Has a job built again that is done, and whose outputs nobody has any more; and what it needs for that in turn.</summary>
    public void BuildIfLost(RunJob job)
    {
        var scheduler = facts.Scheduler;
        if (job is not { IsBuild: true, IsHome: false } || scheduler.StateOf(job.Index) != JobState.Done) return;
        if (!scheduler.IsNowhere(job.Index)) return;
        facts.Undo(job);
        BuildLostNeedsOf(job);
    }

    /// <summary>Keeps a job away from a builder.</summary>
    public void Exclude(int job, int builder)
    {
        // The scheduler is asked: of what it starts in a run that has stopped, nothing else knows.
        if (facts.Scheduler.StateOf(job) is JobState.Abandoned || facts.Scheduler.Runs(job, builder)) return;
        facts.Apply(new SchedulingEvent.JobExcluded(facts.Now, job, builder));
    }

    /// <summary>What nobody needed when its builder was lost is needed by a job that is built again.</summary>
    private void BuildLostNeedsOf(RunJob job)
    {
        if (facts.Scheduler.StateOf(job.Index) is not (JobState.Waiting or JobState.Ready)) return;
        foreach (var need in facts.Scheduler.Graph.DependenciesOf(job.Index)) BuildIfLost(facts.Jobs[need]);
    }
}
