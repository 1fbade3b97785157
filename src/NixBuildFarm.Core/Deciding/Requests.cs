using NixBuildFarm.History;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Work;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Who wants what. A run begins with one request; others may join it and be called off. Each job knows the requests that want it: those
/// that ask for it, and those that ask for something that needs it. A request that wants a job which is not done wants all that the job
/// depends on. So the users that want a job are those who have made its requests, and it is as urgent as the most urgent of them.
/// </summary>
internal sealed class Requests
{
    /// <summary>The request that the run begins with.</summary>
    public const int First = 0;

    private readonly RunFacts facts;
    private readonly Attempts attempts;
    private readonly Rebuilds rebuilds;
    private readonly CopyBacks copyBacks;
    private readonly Pushes pushes;
    private readonly Dictionary<int, List<RunJob>> jobsOf = [];
    private readonly HashSet<int> keepGoing = [];

    // Who has made each request, and how urgent it is; where all are the same, nothing is shared out.
    private readonly Dictionary<int, (int User, int Priority)> termsOf = [];
    private bool areAlike = true;

    // How many jobs of a request, from the first on, have ended.
    private readonly Dictionary<int, int> endedOf = [];

    public Requests(RunFacts facts, Attempts attempts, Rebuilds rebuilds, CopyBacks copyBacks, Pushes pushes)
    {
        (this.facts, this.attempts, this.rebuilds, this.copyBacks, this.pushes) = (facts, attempts, rebuilds, copyBacks, pushes);
        jobsOf.Add(First, [.. facts.Jobs]);
        termsOf.Add(First, default);
        if (facts.Rules.KeepGoing) keepGoing.Add(First);
        foreach (var job in facts.Jobs) job.WantedBy[First] = job.IsRequested;
    }

    /// <summary>
    /// Work joins: what is known already is shared, whether it waits, runs or is done; what has failed or was called off is tried anew.
    /// </summary>
    /// <returns>The jobs of the run that its items are, in their order.</returns>
    public IReadOnlyList<RunJob> Add(RunEvent.WorkAdded added)
    {
        var request = added.Request;
        if (jobsOf.ContainsKey(request)) throw new InvalidOperationException($"Request {request} has joined already.");
        if (added.KeepsGoing) keepGoing.Add(request);
        termsOf.Add(request, (added.User, added.Priority));
        areAlike &= added is { User: 0, Priority: 0 };
        jobsOf.Add(request, []);
        endedOf.Add(request, 0);
        return Add([request], added.Items, added.Graph, added.Known);
    }

    /// <summary>A derivation that another one has made joins for all requests that want it.</summary>
    /// <returns>The jobs of the run that its items are, in their order.</returns>
    public IReadOnlyList<RunJob> Add(RunEvent.Expanded expanded) =>
        Add([.. expanded.Job.WantedBy.Keys], expanded.Items, expanded.Graph, expanded.Known);

    private RunJob[] Add(
        IReadOnlyList<int> wanting, IReadOnlyList<WorkItem> items, JobGraph graph, IReadOnlyList<BuildObservation> seen)
    {
        int[] users = [.. wanting.Select(request => termsOf[request].User).Distinct().Order()];
        var priority = wanting.Max(request => termsOf[request].Priority);
        facts.Estimates.Know(seen, graph.TopologicalOrder.ToArray().Select(index => graph[index]));
        var jobs = new RunJob[items.Count];
        var (shared, fresh, described, requested) = (new List<RunJob>(), new List<RunJob>(), new List<Job>(), new List<int>());
        foreach (var index in graph.TopologicalOrder)
        {
            var item = items[index];
            // What is made may need more for one request than for another.
            if (item.Expansion is null && facts.Find(item.Path) is { } known && IsOfUse(known))
            {
                jobs[index] = known;
                shared.Add(known);
                if (item.IsRequested && !known.IsRequested) requested.Add(known.Index);
            }
            else
            {
                jobs[index] = new RunJob(item, facts.Jobs.Count);
                facts.Add(jobs[index]);
                fresh.Add(jobs[index]);
                described.Add(
                    graph[index] with
                    {
                        Dependencies = [.. graph[index].Dependencies.Select(dependency => jobs[dependency].Index)],
                        Users = users,
                        Priority = priority,
                    });
            }
            foreach (var request in wanting)
            {
                if (jobs[index].WantedBy.TryAdd(request, item.IsRequested)) jobsOf[request].Add(jobs[index]);
                else jobs[index].WantedBy[request] |= item.IsRequested;
            }
        }
        facts.Apply(new SchedulingEvent.WorkAdded(facts.Now, described, facts.Estimates.Add(described), requested));
        facts.Describe(fresh);
        foreach (var request in wanting)
        {
            var more = WantNeedsOf(shared, request).Where(job => !job.HasEnded);
            facts.Do(new RunAction.Joined(request, [.. jobs.Concat(more).Where(job => job.Expansion is null)]));
        }
        Reclaim(jobs);
        foreach (var job in fresh)
        {
            if (job.IsSubstitution) facts.Do(new RunAction.Fetch(job));
            facts.MarkReady(job.Index);
        }
        foreach (var job in requested.Select(index => facts.Jobs[index])) Request(job);
        return jobs;
    }

    /// <summary>A request is called off: what nobody else wants ends here.</summary>
    public void Withdraw(int request)
    {
        if (!jobsOf.Remove(request, out var jobs)) return;
        endedOf.Remove(request);
        termsOf.Remove(request);
        var (unwanted, notRequested) = (new List<int>(), new List<int>());
        foreach (var job in jobs)
        {
            job.WantedBy.Remove(request);
            if (job.WantedBy.Count == 0) unwanted.Add(job.Index);
            if (!job.IsRequested || job.WantedBy.ContainsValue(true)) continue;
            job.IsRequested = false;
            notRequested.Add(job.Index);
        }
        var open = unwanted.Where(job => facts.Scheduler.StateOf(job) is JobState.Waiting or JobState.Ready or JobState.Running)
            .Select(job => facts.Jobs[job])
            .ToArray();
        facts.Apply(new SchedulingEvent.WorkWithdrawn(facts.Now, unwanted, notRequested));
        Reclaim(jobs);
        foreach (var index in unwanted.Concat(notRequested)) copyBacks.StopWaiting(facts.Jobs[index]);
        foreach (var job in open)
        {
            attempts.CallOff(job);
            facts.Reporter.End(job, NixBuildStatus.Cancelled, error: "The request for it was called off.");
        }
        facts.Do(new RunAction.RequestEnded(request));
    }

    /// <summary>Who wants a job that has to be done again wants what it was done from.</summary>
    public void WantUndone()
    {
        while (facts.TryTakeUndone(out var job))
        {
            foreach (var request in job!.WantedBy.Keys)
            {
                RunJob[] more = [.. WantNeedsOf([job], request).Where(job => !job.HasEnded && job.Expansion is null)];
                if (more.Length > 0) facts.Do(new RunAction.Joined(request, more));
            }
        }
    }

    /// <summary>Ends the requests all of whose jobs have ended.</summary>
    public void EndDone()
    {
        foreach (var request in endedOf.Keys.Where(HasEnded).ToArray())
        {
            endedOf.Remove(request);
            jobsOf.Remove(request, out var jobs);
            foreach (var job in jobs!) job.WantedBy.Remove(request);
            termsOf.Remove(request);
            Reclaim(jobs);
            facts.Do(new RunAction.RequestEnded(request));
        }
    }

    /// <summary>
    /// A request that wants jobs wants what they depend on, whichever request that has joined for: so all who wait for what a build has
    /// made want it. What is done is wanted too, for it may be lost. What it was done from is wanted when it is lost.
    /// </summary>
    /// <returns>What the request did not want before.</returns>
    private List<RunJob> WantNeedsOf(IEnumerable<RunJob> wanted, int request)
    {
        var (more, open) = (new List<RunJob>(), new Stack<RunJob>(wanted));
        while (open.TryPop(out var job))
        {
            if (facts.Scheduler.StateOf(job.Index) is not (JobState.Waiting or JobState.Ready or JobState.Running)) continue;
            foreach (var index in facts.Scheduler.Graph.DependenciesOf(job.Index))
            {
                var need = facts.Jobs[index];
                if (!need.WantedBy.TryAdd(request, false)) continue;
                more.Add(need);
                open.Push(need);
            }
        }
        jobsOf[request].AddRange(more);
        Reclaim(more);
        return more;
    }

    /// <summary>Tells the scheduler who wants these jobs now, where that has changed.</summary>
    private void Reclaim(IEnumerable<RunJob> jobs)
    {
        if (areAlike) return;
        Claim[] changed =
        [
            .. from job in jobs
               where job.WantedBy.Count > 0
               let known = facts.Scheduler.Graph[job.Index]
               let terms = job.WantedBy.Keys.Select(request => termsOf[request])
               let claim = new Claim(
                   job.Index, [.. terms.Select(one => one.User).Distinct().Order()], terms.Max(one => one.Priority))
               where claim.Priority != known.Priority || !claim.Users.SequenceEqual(known.Users)
               select claim,
        ];
        if (changed.Length > 0) facts.Apply(new SchedulingEvent.ClaimsChanged(facts.Now, changed));
    }

    /// <summary>
    /// Looks at the next job that has not ended only, and at all of them when that is none: one may have been begun anew.
    /// </summary>
    private bool HasEnded(int request)
    {
        var (jobs, ended) = (jobsOf[request], endedOf[request]);
        while (ended < jobs.Count && HasEnded(jobs[ended], request)) ended++;
        if (ended == jobs.Count)
        {
            ended = Enumerable.Range(0, jobs.Count).FirstOrDefault(index => !HasEnded(jobs[index], request), jobs.Count);
        }
        endedOf[request] = ended;
        return ended == jobs.Count;
    }

    private bool HasEnded(RunJob job, int request) =>
        job.HasEnded
        && facts.Scheduler.StateOf(job.Index) is JobState.Done or JobState.Failed or JobState.Abandoned
        && !(job.IsComingHome && job.WantedBy.GetValueOrDefault(request));

    /// <summary>
    /// Ends what cannot succeed any more: the requests that want a job which has failed for good, or the run where all of them do.
    /// </summary>
    public void EndFailed()
    {
        while (facts.TryTakeFailed(out var job))
        {
            int[] ending = [.. job!.WantedBy.Keys.Where(request => !keepGoing.Contains(request))];
            if (ending.Length == jobsOf.Count) facts.StopRun();
            else foreach (var request in ending) Withdraw(request);
        }
    }

    /// <summary>
    /// Whether a job can be waited for, or has what is wanted; what nobody needed when its builder was lost is built again.
    /// </summary>
    private bool IsOfUse(RunJob known)
    {
        rebuilds.BuildIfLost(known);
        return facts.Scheduler.StateOf(known.Index) is not (JobState.Failed or JobState.Abandoned);
    }

    /// <summary>A job that was known is asked for now: if it is done, its outputs come home as those of others do.</summary>
    private void Request(RunJob job)
    {
        job.IsRequested = true;
        if (facts.Scheduler.StateOf(job.Index) != JobState.Done || job.Last is not { Outcome: { } outcome } last) return;
        pushes.Begin(last, outcome, hasJustEnded: false);
        if (job is { IsHome: false, IsComingHome: false }) copyBacks.Begin(last, outcome);
    }
}
