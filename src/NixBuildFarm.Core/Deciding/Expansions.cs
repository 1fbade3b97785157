using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Derivations that others make. Each is read when the one that makes it is built and its file is in the local store; then it joins the run
/// with all that it needs, and what uses its outputs waits for it.
/// </summary>
internal sealed class Expansions(RunFacts facts, CopyBacks copyBacks, Requests requests)
{
    private readonly HashSet<RunJob> begun = [];

    /// <summary>Begins those among jobs whose derivation is there.</summary>
    public void Begin(IEnumerable<RunJob> jobs)
    {
        foreach (var job in jobs.Where(job => job.Expansion is not null && IsReady(job))) Begin(job, job.Expansion!);
    }

    /// <summary>A job was built, or its outputs were copied back, or could not be: what it makes can be read, or never will.</summary>
    public void BeginAfter(RunJob maker)
    {
        if (maker.IsAwaitedAtHome) Begin([.. facts.Scheduler.Graph.DependentsOf(maker.Index).ToArray().Select(job => facts.Jobs[job])]);
    }

    /// <summary>A derivation was read: it joins.</summary>
    public void Join(RunEvent.Expanded expanded)
    {
        var job = expanded.Job;
        begun.Remove(job);
        if (!IsReady(job)) return;
        foreach (var (output, path) in expanded.Outputs) facts.Know(expanded.Made, output, path);
        var jobs = requests.Add(expanded);
        int[] needs = [.. expanded.Needs.Select(index => jobs[index].Index)];
        var users = UsersOf(job);
        if (facts.Scheduler.Graph.WouldBeCircle(users, needs))
        {
            GiveUp(job, $"{expanded.Made}, which it makes, needs what needs it.");
            return;
        }
        facts.Apply(new SchedulingEvent.NeedsFound(facts.Now, users, needs));
        facts.Describe(users.Select(user => facts.Jobs[user]));
        facts.Apply(new SchedulingEvent.JobResolved(facts.Now, job.Index, ExternalOutcome.Available));
        facts.Reporter.End(job, NixBuildStatus.AlreadyValid);
        facts.Reporter.Decided($"{job.Name} has made {expanded.Made}, which joins the run.");
        facts.MarkDependentsReady(job);
        Begin(jobs);
    }

    /// <summary>A derivation cannot be read: what uses its outputs cannot be built.</summary>
    public void Fail(RunEvent.ExpandFailed failed)
    {
        begun.Remove(failed.Job);
        if (IsReady(failed.Job)) GiveUp(failed.Job, $"{failed.Error.Message} {failed.Error.Recommendation}".TrimEnd());
    }

    private bool IsReady(RunJob job) => facts.Scheduler.StateOf(job.Index) == JobState.Ready && !begun.Contains(job);

    private void Begin(RunJob job, Work.Expansion expansion)
    {
        if (facts.Find(expansion.Maker) is { IsBuild: true, IsHome: false, Last: { Outcome: { } outcome } last } maker)
        {
            if ((maker.LateError ?? maker.Result?.Error) is { } error) GiveUp(job, error);
            else if (!maker.IsComingHome) copyBacks.Begin(last, outcome);
            return;
        }
        begun.Add(job);
        facts.Do(new RunAction.Expand(job, facts.PathOf(expansion.Maker, expansion.Output)!));
    }

    /// <summary>Nobody is told of the job itself, so that what needs it says why.</summary>
    private void GiveUp(RunJob job, string error)
    {
        foreach (var user in UsersOf(job))
        {
            facts.Apply(new SchedulingEvent.JobResolved(facts.Now, user, ExternalOutcome.Cancelled));
            facts.Fail(
                facts.Jobs[user],
                NixBuildStatus.DependencyFailed,
                error: $"It needs a derivation that {job.Name} makes, and that cannot be used: {error}");
        }
        facts.Apply(new SchedulingEvent.JobResolved(facts.Now, job.Index, ExternalOutcome.Cancelled));
        facts.Reporter.End(job, NixBuildStatus.Failed, error: error);
    }

    private int[] UsersOf(RunJob job) =>
        [.. facts.Scheduler.Graph.DependentsOf(job.Index).ToArray().Where(user => facts.Scheduler.StateOf(user) == JobState.Waiting)];
}
