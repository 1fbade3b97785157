using NixBuildFarm.Scheduling;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Running;

// What was built and is of no use: damaged where it lies, or a builder cannot give it. It is built again, elsewhere, as long as tries are left.
internal sealed partial class RunLoop
{
    /// <summary>The path that an error says is of no use; null where it says nothing of the kind.</summary>
    private static StorePath? UselessPathOf(Exception error) => error switch
    {
        DamagedPathException e => e.Path,
        PathLostException e => e.Path,
        _ => null,
    };

    private static string InWords(Exception error) => error is DamagedPathException { Recommendation: { } advice } ? $"{error.Message} {advice}" : error.Message;

    /// <summary>Has what makes a path built again where nobody has the path any more.</summary>
    private void BuildAgain(StorePath path, string reason)
    {
        if (catalog.Find(path) is not null) return;
        foreach (var job in jobs.Where(job => scheduler.StateOf(job.Index) == JobState.Done && job.Outputs.Contains(path))) BuildAgain(job, reason);
    }

    private void BuildAgain(RunJob job, string reason)
    {
        // Where it lies already the builder would not build it, and what needs it there would get it as it is.
        if (job.Last is { } last && farm.FindIndex(session => session.Builder.Name == last.Session.Builder.Name) is >= 0 and var builder)
        {
            Exclude(job.Index, builder);
            foreach (var dependent in scheduler.Graph.DependentsOf(job.Index)) Exclude(dependent, builder);
            NoteFailure(last, reason);
        }
        reporter.Degraded($"{job.Name} is built again: {reason}");
        scheduler.Apply(new SchedulingEvent.OutputsLost(clock.Now, job.Index));
        if (job.Tries >= request.MaxAttempts && job.Last is { } tried) GiveUpAfterTries(tried);
    }

    private void Exclude(int job, int builder)
    {
        if (scheduler.StateOf(job) is JobState.Abandoned || jobs[job].Running.ContainsKey(builder)) return;
        scheduler.Apply(new SchedulingEvent.JobExcluded(clock.Now, job, builder));
    }

    /// <summary>A builder that answers, and fails again and again to give what a job needs, is not asked for that any more.</summary>
    private void Disown(BuilderSession giver, RunJob needs, string reason)
    {
        foreach (var info in catalog.ClosureOf(needs.Inputs).Where(info => catalog.NearestHolderOf(info.Path, new HashSet<BuilderSession> { giver }) is null))
        {
            catalog.Remove(info.Path, giver);
            BuildAgain(info.Path, reason);
        }
    }

    /// <summary>What was asked for was built, and its builder cannot give it: another one builds it.</summary>
    private void BuildElsewhere(Attempt attempt, int builder, BuildOutcome outcome, Exception trouble)
    {
        var job = attempt.Job;
        if (!job.IsRequested || job.HasEnded || scheduler.StateOf(job.Index) != JobState.Done || job.Last != attempt || scheduler.Builders.Count < 2)
        {
            GiveUpHomecoming(attempt, builder, outcome, trouble);
            return;
        }
        copiesToCome--;
        foreach (var path in job.Outputs) catalog.Remove(path, attempt.Session);
        if (UselessPathOf(trouble) is { } useless && !job.Outputs.Contains(useless)) BuildAgain(useless, InWords(trouble));
        BuildAgain(job, InWords(trouble));
    }

    /// <summary>The builder was lost while an output came home. What was asked for is being built again, or comes when the builder is back; but not for ever.</summary>
    private void LoseOnTheWayHome(Attempt attempt, int builder, BuildOutcome outcome, Exception trouble)
    {
        var job = attempt.Job;
        GiveUpHomecoming(attempt, builder, outcome, trouble);
        if (!job.IsRequested || job.HasEnded || scheduler.StateOf(job.Index) is not (JobState.Waiting or JobState.Ready)) return;
        NoteFailure(attempt, trouble.Message);
        if (attempt.Session.IsGivenUp && scheduler.Builders.Count > 1) Exclude(job.Index, builder);
        if (job.Tries >= request.MaxAttempts) GiveUpAfterTries(attempt);
    }
}
