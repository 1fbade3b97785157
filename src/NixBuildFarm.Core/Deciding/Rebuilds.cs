using NixBuildFarm.Scheduling;
using NixBuildFarm.Sessions;
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
    public static string InWords(Exception error) => error is DamagedPathException { Recommendation: { } advice } ? $"{error.Message} {advice}" : error.Message;

    /// <summary>A builder is gone: what only it had, and is still needed, is built again.</summary>
    public void BuildWhatOnlyHad(BuilderSession lost)
    {
        var scheduler = facts.Scheduler;
        foreach (var index in LostOutputs.Of(scheduler.Graph, IsMissing, IsNeeded))
        {
            facts.Reporter.Decided($"{facts.Jobs[index].Name} is built again: only {lost} had it.");
            facts.Apply(new SchedulingEvent.OutputsLost(facts.Clock.Now, index));
        }

        bool IsMissing(int job) => scheduler.StateOf(job) == JobState.Done && facts.Jobs[job].Outputs.Any(path => facts.Catalog.Find(path) is null);
        bool IsNeeded(int job) => (facts.Jobs[job].IsRequested && !facts.Jobs[job].HasEnded) || scheduler.HasUnsettledDependents(job);
    }

    /// <summary>Has the job built again that makes a path, if no builder has the path any more.</summary>
    public void BuildAgain(StorePath path, string reason)
    {
        if (facts.Catalog.Find(path) is not null) return;
        foreach (var job in facts.Jobs.Where(job => facts.Scheduler.StateOf(job.Index) == JobState.Done && job.Outputs.Contains(path))) BuildAgain(job, reason);
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
        facts.Apply(new SchedulingEvent.OutputsLost(facts.Clock.Now, job.Index));
        if (attempts.AreUsedUp(job) && job.Last is { } tried) attempts.GiveUp(tried);
    }

    /// <summary>Keeps a job away from a builder.</summary>
    public void Exclude(int job, int builder)
    {
        if (facts.Scheduler.StateOf(job) is JobState.Abandoned || facts.Jobs[job].Running.ContainsKey(builder)) return;
        facts.Apply(new SchedulingEvent.JobExcluded(facts.Clock.Now, job, builder));
    }

    /// <summary>A builder that answers fails again and again to give the inputs of a job: it is no source of them any more.</summary>
    public void DropAsSource(BuilderSession giver, RunJob needs, string reason)
    {
        var avoid = new HashSet<BuilderSession> { giver };
        foreach (var info in facts.Catalog.ClosureOf(needs.Inputs).Where(info => facts.Catalog.NearestHolderOf(info.Path, avoid) is null))
        {
            facts.Catalog.Remove(info.Path, giver);
            BuildAgain(info.Path, reason);
        }
    }
}
