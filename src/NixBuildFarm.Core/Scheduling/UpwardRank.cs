namespace NixBuildFarm.Scheduling;

/// <summary>
/// The upward rank of each job: its own weight plus the largest rank of what waits for it, i.e. the least time that remains once it
/// starts (Topcuoglu, Hariri, Wu: "Performance-effective and low-complexity task scheduling for heterogeneous computing", 2002).
/// </summary>
internal sealed class UpwardRank
{
    private readonly JobGraph graph;
    private double[] weights;
    private double[] ranks;
    private int[] place;
    private readonly PriorityQueue<int, int> pending = new();
    private bool[] isPending;

    /// <summary>Computes all ranks in one walk.</summary>
    /// <param name="graph">The jobs.</param>
    /// <param name="weights">Seconds of each job, at the speed it can hope for; ≥ 0. Copied.</param>
    public UpwardRank(JobGraph graph, ReadOnlySpan<double> weights)
    {
        this.graph = graph;
        this.weights = weights.ToArray();
        ranks = new double[graph.Count];
        place = new int[graph.Count];
        isPending = new bool[graph.Count];
        var order = graph.TopologicalOrder;
        for (var i = 0; i < order.Length; i++) place[order[i]] = i;
        for (var i = order.Length - 1; i >= 0; i--) ranks[order[i]] = RankOf(order[i]);
    }

    private UpwardRank(UpwardRank other)
    {
        graph = other.graph;
        weights = (double[])other.weights.Clone();
        ranks = (double[])other.ranks.Clone();
        place = other.place;
        isPending = (bool[])other.isPending.Clone();
        foreach (var (job, priority) in other.pending.UnorderedItems) pending.Enqueue(job, priority);
    }

    /// <summary>The rank of a job in seconds.</summary>
    public double this[int job] => ranks[job];

    /// <summary>All ranks, by job.</summary>
    public ReadOnlySpan<double> All => ranks.AsSpan(0, graph.Count);

    /// <summary>A copy that goes its own way.</summary>
    public UpwardRank Clone() => new(this);

    /// <summary>
    /// Computes the ranks of jobs that have joined the graph. Nothing that was there before waits for them, so theirs are final; the ranks
    /// of what they wait for follow with <see cref="Update"/>.
    /// </summary>
    /// <param name="first">The first of them.</param>
    /// <param name="weightOf">Seconds of each.</param>
    public void Add(int first, Func<int, double> weightOf)
    {
        GrowingArray.Grow(ref weights, graph.Count, 0);
        GrowingArray.Grow(ref ranks, graph.Count, 0);
        GrowingArray.Grow(ref place, graph.Count, 0);
        GrowingArray.Grow(ref isPending, graph.Count, false);
        var order = graph.TopologicalOrder;
        for (var i = first; i < order.Length; i++) place[order[i]] = i;
        for (var i = order.Length - 1; i >= first; i--)
        {
            var job = order[i];
            weights[job] = weightOf(job);
            ranks[job] = RankOf(job);
            foreach (var dependency in graph.DependenciesOf(job))
            {
                if (dependency < first) Mark(dependency);
            }
        }
    }

    /// <summary>
    /// Jobs that were there before wait for others now: the order of the graph has changed. The ranks of these others follow with
    /// <see cref="Update"/>.
    /// </summary>
    public void AddDependents(IEnumerable<int> needs)
    {
        place = (int[])place.Clone();
        var order = graph.TopologicalOrder;
        for (var i = 0; i < order.Length; i++) place[order[i]] = i;
        foreach (var job in needs) Mark(job);
    }

    /// <summary>Changes the weight of one job. The ranks that hang on it follow with <see cref="Update"/>.</summary>
    public void SetWeight(int job, double weight)
    {
        weights[job] = weight;
        Mark(job);
    }

    /// <summary>
    /// Recomputes the ranks that changed weights have touched, each once, dependents before dependencies: work in proportion to what
    /// changes, not to the graph.
    /// </summary>
    /// <param name="limit">At most so many jobs now; the others next time.</param>
    /// <param name="changed">Told of each job whose rank has changed.</param>
    public void Update(int limit, Action<int> changed)
    {
        while (limit-- > 0 && pending.TryDequeue(out var job, out _))
        {
            isPending[job] = false;
            var rank = RankOf(job);
            if (rank == ranks[job]) continue;
            ranks[job] = rank;
            changed(job);
            foreach (var dependency in graph.DependenciesOf(job)) Mark(dependency);
        }
    }

    private void Mark(int job)
    {
        if (isPending[job]) return;
        isPending[job] = true;
        pending.Enqueue(job, -place[job]);
    }

    private double RankOf(int job)
    {
        var largest = 0.0;
        foreach (var dependent in graph.DependentsOf(job)) largest = Math.Max(largest, ranks[dependent]);
        return weights[job] + largest;
    }
}
