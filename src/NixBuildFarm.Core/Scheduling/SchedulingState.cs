using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// All that a <see cref="Scheduler"/> remembers, in arrays by job and by builder. Can be cloned, so that a plan can be tried out on a copy.
/// </summary>
/// <remarks>Longer than most files: it holds arrays and what keeps them in step, a member for each, and decides nothing.</remarks>
internal sealed class SchedulingState
{
    private JobState[] states;
    private int[] unmet;
    private int[] madeOn;
    private long[] outputBytes;
    private int[] systemOf;
    private string[] systems;
    private Estimate[] estimates;
    private long[] needs;
    private readonly bool isFifo;
    private readonly bool countsMemory;
    private long readied;
    private BuilderGroups? groups;
    private HelperPlaces? helperPlaces;
    private ReadyQueue[] queues;

    public SchedulingState(JobGraph graph, IReadOnlyList<FarmBuilder> farm, IReadOnlyList<Estimate> estimates, Heuristic heuristic)
    {
        Graph = graph;
        (isFifo, countsMemory) = (heuristic.IsFifo, heuristic.CountsMemory);
        this.estimates = [.. estimates];
        needs = Array.ConvertAll(this.estimates, e => e.MemoryNeed);
        (systems, systemOf) = InternSystems(graph);
        Builders = farm.Select(b => new BuilderState(b, systems)).ToArray();
        Classes = NewClasses(farm);
        Locations = new OutputLocations(graph.Count, farm.Count);
        outputBytes = Array.ConvertAll(this.estimates, e => e.OutputBytes);
        madeOn = Enumerable.Repeat(-1, graph.Count).ToArray();
        Transfers = new InputTransfers(this, farm.Count);
        Order = new JobOrder(graph);
        Shares = new FairShares(this);
        Families = new Families(this);
        states = new JobState[graph.Count];
        unmet = new int[graph.Count];
        Unsettled = graph.Count;
        queues = MakeQueues();
        RemainingWork = SumRemainingWork();
        for (var job = 0; job < graph.Count; job++)
        {
            unmet[job] = graph.DependenciesOf(job).Length;
            if (unmet[job] == 0) MakeReady(job);
        }
    }

    private SchedulingState(SchedulingState other)
    {
        Graph = other.Graph;
        (isFifo, readied, countsMemory) = (other.isFifo, other.readied, other.countsMemory);
        (estimates, needs) = ((Estimate[])other.estimates.Clone(), (long[])other.needs.Clone());
        (systems, systemOf) = (other.systems, other.systemOf);
        Builders = Array.ConvertAll(other.Builders, b => b.Clone());
        Classes = other.Classes;
        Locations = other.Locations.Clone();
        outputBytes = (long[])other.outputBytes.Clone();
        madeOn = (int[])other.madeOn.Clone();
        Transfers = other.Transfers.Clone(this);
        Order = other.Order.Clone();
        Families = other.Families.Clone(this);
        Shares = other.Shares.Clone(this);
        states = (JobState[])other.states.Clone();
        unmet = (int[])other.unmet.Clone();
        (Unsettled, ReadyCount, RunningCount, SharingCount) = (other.Unsettled, other.ReadyCount, other.RunningCount, other.SharingCount);
        queues = Array.ConvertAll(other.queues, q => q.Clone(Order));
        RemainingWork = (double[])other.RemainingWork.Clone();
        groups = other.groups?.Clone(Builders);
        helperPlaces = other.helperPlaces;
        ExpectsBuilders = other.ExpectsBuilders;
        ExcludedBuilders = other.ExcludedBuilders.ToDictionary(p => p.Key, p => new HashSet<int>(p.Value));
    }

    public JobGraph Graph { get; }

    /// <summary>By job; what lies behind the last one is room for more.</summary>
    public Estimate[] Estimates => estimates;

    public BuilderState[] Builders { get; private set; }

    public EligibilityClasses Classes { get; private set; }

    /// <summary>Rebuilt on demand after the farm has changed.</summary>
    public BuilderGroups Groups => groups ??= new BuilderGroups(Graph, Classes, Builders, SpeedOf);

    /// <summary>Where compiles of others can be done. Made anew in the same way.</summary>
    public HelperPlaces HelperPlaces => helperPlaces ??= new HelperPlaces(
        Graph, Classes, Array.ConvertAll(Builders, b => b.Description), b => Builders[b].Status == BuilderStatus.Online, Groups.Eligible);

    public OutputLocations Locations { get; }

    /// <summary>The inputs that are on their way to builders.</summary>
    public InputTransfers Transfers { get; }

    public JobOrder Order { get; }

    /// <summary>Where outputs are to come together.</summary>
    public Families Families { get; }

    /// <summary>Builders on which a job has failed by the fault of the builder.</summary>
    public Dictionary<int, HashSet<int>> ExcludedBuilders { get; } = [];

    /// <summary>Jobs that are neither done nor given up.</summary>
    public int Unsettled { get; private set; }

    public int ReadyCount { get; private set; }

    /// <summary>Slots in use on all builders.</summary>
    public int RunningCount { get; private set; }

    /// <summary>Those of them whose job has compiles that others may do.</summary>
    public int SharingCount { get; private set; }

    /// <summary>By eligibility class: reference seconds of what is neither done nor given up.</summary>
    public double[] RemainingWork { get; private set; }

    /// <summary>Whose turn it is.</summary>
    public FairShares Shares { get; }

    /// <summary>
    /// The ready jobs: by the users that want them, and by eligibility class. Where there is one user, the index is that of the class.
    /// </summary>
    public IReadOnlyList<ReadyQueue> Queues => queues;

    public SchedulingState Clone() => new(this);

    public JobState StateOf(int job) => states[job];

    /// <summary>The builder that a finished job ran on, or −1.</summary>
    public int MadeOn(int job) => madeOn[job];

    /// <summary>Size of a job's outputs: estimated, then actual.</summary>
    public long OutputBytes(int job) => outputBytes[job];

    /// <summary>The same by job, as it is now and as it changes.</summary>
    public IReadOnlyList<long> OutputSizes => outputBytes;

    public double SpeedOf(int builder, int job) => Builders[builder].Speeds[systemOf[job]];

    /// <summary>The speed of the fastest builder that may take the job; 1 where there is none.</summary>
    public double BestSpeedOf(int job) => Groups.BestSpeed[Classes[job]];

    /// <summary>The cores of the largest builder that may take the job.</summary>
    public int BestCoresFor(int job) => Groups.BestCores[Classes[job]];

    /// <summary>The memory to keep for a job on a builder, in bytes.</summary>
    public long NeedOf(int job, int builder) =>
        countsMemory ? Math.Max(Graph[job].StatedMemory, Groups.RuledMemory(Classes[job], builder) ?? needs[job]) : 0;

    /// <summary>Whether a job needs more memory than a builder has for builds, so that it has it to itself.</summary>
    public bool IsTooLargeFor(int builder, int job) => Builders[builder].UsableMemory is { } usable && NeedOf(job, builder) > usable;

    /// <summary>
    /// The memory that a builder has for builds, in bytes; null: it is unknown, or does not count for a job, or a policy says what the job
    /// needs.
    /// </summary>
    public long? UsableBy(int job, int builder) =>
        countsMemory && Groups.RuledMemory(Classes[job], builder) is null ? Builders[builder].UsableMemory : null;

    /// <summary>
    /// What a builder is expected to write to its store for a job, in bytes: the outputs, and the inputs that it is not known to have. 0
    /// where its space is unknown.
    /// </summary>
    public long SpaceOf(int job, int builder)
    {
        if (Builders[builder].FreeSpace is null) return 0;
        var bytes = outputBytes[job] + (Builders[builder].Description.IsLocal ? 0 : Graph[job].ExternalInputBytes);
        foreach (var dependency in Graph.DependenciesOf(job))
        {
            if (!Locations.Has(dependency, builder)) bytes += outputBytes[dependency];
        }
        return bytes;
    }

    /// <summary>Whether a builder has the space for a job, beside what runs there.</summary>
    public bool HasSpaceFor(int job, int builder) =>
        Builders[builder].FreeSpace is null || SpaceOf(job, builder) <= Builders[builder].SpaceLeft;

    /// <summary>
    /// Whether a builder has the space for a job; or no other that may take it has, and this one has most.
    /// </summary>
    public bool TakesForSpace(int job, int builder)
    {
        if (HasSpaceFor(job, builder)) return true;
        var (may, left) = (BuildersFor(job), Builders[builder].SpaceLeft);
        for (var b = 0; b < may.Length; b++)
        {
            if (b == builder || !may[b] || Builders[b].MaxJobs == 0 || Builders[b].IsOut) continue;
            if (HasSpaceFor(job, b) || Builders[b].SpaceLeft > left) return false;
        }
        return true;
    }

    /// <summary>Whether more builders are about to join, of which one may have the memory that a job lacks.</summary>
    public bool ExpectsBuilders { get; set; }

    /// <summary>By job: the memory that it is expected to need, in bytes; null: memory does not count.</summary>
    public IReadOnlyList<long>? MemoryNeeds => countsMemory ? needs : null;

    /// <summary>Whether a builder that takes jobs may take this one, its past failures considered.</summary>
    public bool MayTake(int builder, int job) => BuildersFor(job)[builder];

    /// <summary>
    /// By builder, whether it may take a job, its past failures considered: where it has failed on all that are large enough for it, the
    /// others are left.
    /// </summary>
    public bool[] BuildersFor(int job)
    {
        if (!ExcludedBuilders.TryGetValue(job, out var excluded)) return Groups.Eligible[Classes[job]];
        var may = (bool[])Groups.Allowed[Classes[job]].Clone();
        foreach (var builder in excluded) may[builder] = false;
        LargeEnough.Keep(may, b => Builders[b].Description, Graph[job], countsMemory ? needs[job] : null, b => Builders[b].IsOut);
        return may;
    }

    /// <summary>Keeps a job from a builder from now on.</summary>
    public void Exclude(int job, int builder)
    {
        if (!ExcludedBuilders.TryGetValue(job, out var excluded)) ExcludedBuilders.Add(job, excluded = []);
        excluded.Add(builder);
    }

    public bool IsExcluded(int job, int builder) => ExcludedBuilders.TryGetValue(job, out var excluded) && excluded.Contains(builder);

    /// <summary>Whether a finished job's outputs are of any use yet.</summary>
    public bool IsNeeded(int job) => Graph[job].IsRequested || HasUnsettledDependents(job);

    /// <summary>Whether a dependent of a job is neither done nor given up.</summary>
    public bool HasUnsettledDependents(int job)
    {
        foreach (var dependent in Graph.DependentsOf(job))
        {
            if (IsUnsettled(dependent)) return true;
        }
        return false;
    }

    /// <summary>Whether a job is neither done nor given up.</summary>
    public bool IsUnsettled(int job) => states[job] is JobState.Waiting or JobState.Ready or JobState.Running;

    /// <summary>More is known of a job that is not settled.</summary>
    public void SetEstimate(int job, Estimate estimate)
    {
        RemainingWork[Classes[job]] = Math.Max(0, RemainingWork[Classes[job]] + estimate.Seconds - Estimates[job].Seconds);
        Estimates[job] = estimate;
        outputBytes[job] = estimate.OutputBytes;
        if (estimate.MemoryNeed == needs[job]) return;
        needs[job] = estimate.MemoryNeed;
        if (countsMemory) Reclassify(job);
    }

    /// <summary>The queue that a job belongs to.</summary>
    public int QueueOf(int job) => Shares.AreNeeded ? Shares.PartyOf(job) * Classes.Count + Classes[job] : Classes[job];

    public void Enqueue(int job) => queues[QueueOf(job)].Add(job);

    public void Dequeue(int job) => queues[QueueOf(job)].Remove(job);

    /// <summary>A key of a job has changed: if it is queued, it moves.</summary>
    public void Requeue(int job)
    {
        if (Order.Position[job] >= 0) queues[QueueOf(job)].Update(job);
    }

    /// <summary>All keys have changed.</summary>
    public void RequeueAll()
    {
        foreach (var queue in queues) queue.Rebuild();
    }

    /// <summary>Gives a ready job to a builder.</summary>
    public void Take(int job, int builder, double now, double freeAt, int cores)
    {
        Dequeue(job);
        ReadyCount--;
        states[job] = JobState.Running;
        TakeAgain(job, builder, now, freeAt, cores);
    }

    /// <summary>Gives a job that runs to one more builder.</summary>
    public void TakeAgain(int job, int builder, double now, double freeAt, int cores)
    {
        RunningCount++;
        var shares = Estimates[job].Compiles.Share > 0;
        if (shares) SharingCount++;
        Builders[builder].Take(job, now, freeAt, cores, NeedOf(job, builder), SpaceOf(job, builder), shares);
        Groups.Scarce.Count(builder, Classes[job], 1);
        Groups.Update(builder);
    }

    public BuilderState.Slot Release(int job, int builder)
    {
        // First, since groups that must be rebuilt count what runs now.
        Groups.Scarce.Count(builder, Classes[job], -1);
        RunningCount--;
        var slot = Builders[builder].Release(job);
        if (slot.Shares) SharingCount--;
        Groups.Update(builder);
        return slot;
    }

    /// <summary>The build in a slot begins.</summary>
    public void Begin(int builder, int slot, double now, double freeAt)
    {
        var place = Builders[builder];
        place.Begin(slot, now, freeAt, outputBytes[place.Slots[slot].Job]);
        Groups.Update(builder);
    }

    public void SetFreeAt(int builder, int slot, double at)
    {
        Builders[builder].SetFreeAt(slot, at);
        Groups.Update(builder);
    }

    /// <summary>A running job has lost its last attempt.</summary>
    public void BackToQueue(int job)
    {
        Transfers.Forget(job);
        if (unmet[job] == 0) MakeReady(job);
        else states[job] = JobState.Waiting;
    }

    /// <summary>A builder has made the outputs of a job.</summary>
    public void SetMade(int job, int builder, long bytes)
    {
        outputBytes[job] = bytes;
        madeOn[job] = builder;
        Builders[builder].Wrote(bytes);
        Locations.Add(job, builder);
        SetDone(job);
    }

    /// <summary>The outputs of a job that is not done exist now.</summary>
    public void SetDone(int job)
    {
        Settle(job, JobState.Done);
        foreach (var dependent in Graph.DependentsOf(job))
        {
            if (--unmet[dependent] == 0 && states[dependent] == JobState.Waiting) MakeReady(dependent);
        }
    }

    /// <summary>The outputs of a job that was done exist no more.</summary>
    public void SetUndone(int job)
    {
        Locations.Clear(job);
        madeOn[job] = -1;
        Unsettled++;
        RemainingWork[Classes[job]] += Estimates[job].Seconds;
        foreach (var dependent in Graph.DependentsOf(job))
        {
            unmet[dependent]++;
            if (states[dependent] != JobState.Ready) continue;
            Unready(dependent);
            states[dependent] = JobState.Waiting;
        }
        BackToQueue(job);
    }

    /// <summary>Gives up a job that does not run, and all that can no longer be built without it; these are reported.</summary>
    public void GiveUp(int job, JobState final, Action<int> report)
    {
        Settle(job, final);
        var doomed = new Stack<int>();
        doomed.Push(job);
        while (doomed.TryPop(out var cause))
        {
            foreach (var dependent in Graph.DependentsOf(cause))
            {
                // One that runs has its inputs and may end well; one that is done is done.
                if (states[dependent] is not (JobState.Waiting or JobState.Ready)) continue;
                Settle(dependent, JobState.Abandoned);
                report(dependent);
                doomed.Push(dependent);
            }
        }
    }

    /// <summary>Makes room for jobs that have joined the graph. They take part from <see cref="Admit"/> on.</summary>
    /// <param name="first">The first of them.</param>
    /// <param name="more">What is believed of each.</param>
    public void AddJobs(int first, IReadOnlyList<Estimate> more)
    {
        var count = Graph.Count;
        GrowingArray.Grow(ref states, count, JobState.Waiting);
        GrowingArray.Grow(ref unmet, count, 0);
        GrowingArray.Grow(ref madeOn, count, -1);
        GrowingArray.Grow(ref outputBytes, count, 0);
        GrowingArray.Grow(ref systemOf, count, 0);
        GrowingArray.Grow(ref estimates, count, default!);
        GrowingArray.Grow(ref needs, count, 0);
        Locations.GrowJobs(count);
        Transfers.GrowJobs(count);
        Families.GrowJobs(count);
        if (Order.GrowJobs(count)) queues = Array.ConvertAll(queues, queue => queue.Clone(Order));
        for (var i = 0; i < more.Count; i++)
        {
            (estimates[first + i], outputBytes[first + i], needs[first + i]) = (more[i], more[i].OutputBytes, more[i].MemoryNeed);
        }
        var (classes, areSystemsNew) = (Classes.Count, InternSystems(first));
        if (Classes.Add(Graph, first) || areSystemsNew) ClassesGrew(areSystemsNew);
        Shares.Add(first);
        GrowQueues(classes);
        for (var job = first; job < count; job++) RemainingWork[Classes[job]] += estimates[job].Seconds;
        Unsettled += count - first;
    }

    /// <summary>A job that has joined takes part; its key is set.</summary>
    public void Admit(int job)
    {
        CountUnmet(job);
        if (unmet[job] == 0) MakeReady(job);
    }

    /// <summary>Finds out for how many jobs a job waits.</summary>
    public void CountUnmet(int job)
    {
        unmet[job] = 0;
        foreach (var dependency in Graph.DependenciesOf(job))
        {
            if (states[dependency] != JobState.Done) unmet[job]++;
        }
    }

    /// <summary>Other users than before want a job, or want it more or less.</summary>
    public void Claim(Claim claim)
    {
        var isQueued = Order.Position[claim.Job] >= 0;
        if (isQueued) Dequeue(claim.Job);
        Graph.SetClaim(claim);
        Shares.Update(claim.Job);
        GrowQueues(Classes.Count);
        if (isQueued) Enqueue(claim.Job);
    }

    /// <summary>Takes a job out that nobody wants any more; it does not run.</summary>
    public void Withdraw(int job) => Settle(job, JobState.Abandoned);

    public int AddBuilder(FarmBuilder description)
    {
        Builders = [.. Builders, new BuilderState(description, systems)];
        Locations.Grow(Builders.Length);
        Transfers.Grow(Builders.Length);
        FarmChanged();
        return Builders.Length - 1;
    }

    public void Describe(int builder, FarmBuilder description)
    {
        Builders[builder].Describe(description, systems);
        FarmChanged();
    }

    public void SetStatus(int builder, BuilderStatus status)
    {
        Builders[builder].Status = status;
        FarmChanged();
    }

    public void Hold(int builder, bool isHeld)
    {
        Builders[builder].Hold(isHeld);
        Groups.Update(builder);
    }

    /// <summary>Finds out which builders nobody counts on any more.</summary>
    /// <returns>When that may change although nothing happens; null: never.</returns>
    public double? UpdateOut(double now)
    {
        double? next = null;
        foreach (var builder in Builders)
        {
            if (!builder.IsHeld && !builder.IsOut) continue;
            var wasOut = builder.IsOut;
            if (builder.UpdateOut(now) is { } at && !(next <= at)) next = at;
            if (builder.IsOut != wasOut) (groups, helperPlaces) = (null, null);
        }
        return next;
    }

    private static (string[] Systems, int[] SystemOf) InternSystems(JobGraph graph)
    {
        var known = new Dictionary<string, int>();
        var indexes = new int[graph.Count];
        for (var job = 0; job < graph.Count; job++)
        {
            if (!known.TryGetValue(graph[job].System, out indexes[job]))
            {
                indexes[job] = known.Count;
                known.Add(graph[job].System, indexes[job]);
            }
        }
        return (known.OrderBy(p => p.Value).Select(p => p.Key).ToArray(), indexes);
    }

    /// <summary>Jobs that have joined may be of systems that no job was of before.</summary>
    private bool InternSystems(int first)
    {
        var before = systems.Length;
        for (var job = first; job < Graph.Count; job++)
        {
            systemOf[job] = Array.IndexOf(systems, Graph[job].System);
            if (systemOf[job] >= 0) continue;
            systemOf[job] = systems.Length;
            systems = [.. systems, Graph[job].System];
        }
        return systems.Length > before;
    }

    private void ClassesGrew(bool areSystemsNew)
    {
        if (areSystemsNew) foreach (var builder in Builders) builder.Describe(builder.Description, systems);
        (groups, helperPlaces) = (null, null);
        var work = RemainingWork;
        Array.Resize(ref work, Classes.Count);
        RemainingWork = work;
    }

    private void FarmChanged()
    {
        (groups, helperPlaces) = (null, null);
        if (Classes.Cover(Array.ConvertAll(Builders, b => b.Description))) return;
        var ready = queues.SelectMany(queue => queue.Items.ToArray()).Order().ToArray();
        Classes = NewClasses(Builders.Select(b => b.Description));
        queues = MakeQueues();
        RemainingWork = SumRemainingWork();
        foreach (var job in ready) Enqueue(job);
    }

    private EligibilityClasses NewClasses(IEnumerable<FarmBuilder> farm) => new(Graph, farm, countsMemory ? job => needs[job] : null);

    /// <summary>A job that is not settled needs more memory than was thought, or less, and so belongs to another class.</summary>
    private void Reclassify(int job)
    {
        var (before, classes, isQueued) = (Classes[job], Classes.Count, Order.Position[job] >= 0);
        if (isQueued) Dequeue(job);
        var isNew = Classes.Update(Graph, job);
        if (isNew) ClassesGrew(areSystemsNew: false);
        GrowQueues(classes);
        if (isQueued) Enqueue(job);
        if (Classes[job] == before) return;
        RemainingWork[before] = Math.Max(0, RemainingWork[before] - estimates[job].Seconds);
        RemainingWork[Classes[job]] += estimates[job].Seconds;
        // Groups that are made anew count what runs now.
        for (var b = 0; b < Builders.Length && groups is not null && !isNew; b++)
        {
            if (Builders[b].IndexOf(job) < 0) continue;
            groups.Scarce.Count(b, before, -1);
            groups.Scarce.Count(b, Classes[job], 1);
        }
    }

    private double[] SumRemainingWork()
    {
        var work = new double[Classes.Count];
        for (var job = 0; job < Graph.Count; job++)
        {
            if (IsUnsettled(job)) work[Classes[job]] += Estimates[job].Seconds;
        }
        return work;
    }

    private ReadyQueue[] MakeQueues() => [.. Enumerable.Range(0, Shares.Parties * Classes.Count).Select(_ => new ReadyQueue(Order))];

    /// <summary>There may be more classes, or more sets of users, than there are queues for.</summary>
    /// <param name="classes">How many classes there were.</param>
    private void GrowQueues(int classes)
    {
        if (queues.Length == Shares.Parties * Classes.Count) return;
        var grown = MakeQueues();
        for (var queue = 0; queue < queues.Length; queue++) grown[queue / classes * Classes.Count + queue % classes] = queues[queue];
        queues = grown;
    }

    private void MakeReady(int job)
    {
        states[job] = JobState.Ready;
        ReadyCount++;
        if (isFifo) Order.Key[job] = -readied++;
        Enqueue(job);
    }

    private void Unready(int job)
    {
        Dequeue(job);
        ReadyCount--;
        Transfers.Forget(job);
    }

    private void Settle(int job, JobState final)
    {
        if (states[job] == JobState.Ready) Unready(job);
        states[job] = final;
        Unsettled--;
        RemainingWork[Classes[job]] = Math.Max(0, RemainingWork[Classes[job]] - Estimates[job].Seconds);
    }
}
