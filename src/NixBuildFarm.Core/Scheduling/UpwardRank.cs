namespace NixBuildFarm.Scheduling;

/// <summary>
/// The upward rank of each job: its own weight plus the largest rank of what waits for it, i.e. the least time that remains once it
/// starts (Topcuoglu, Hariri, Wu: "Performance-effective and low-complexity task scheduling for heterogeneous computing", 2002).
/// </summary>
public sealed class UpwardRank
{
    private readonly JobGraph graph;
    private readonly double[] weights;
    private readonly double[] ranks;
    private readonly Queue<int> pending = new();

    /// <summary>Computes all ranks in one walk.</summary>
    /// <param name="graph">The jobs.</param>
    /// <param name="weights">Seconds of each job, at the speed it can hope for; ≥ 0. Copied.</param>
    public UpwardRank(JobGraph graph, ReadOnlySpan<double> weights)
    {
        this.graph = graph;
        this.weights = weights.ToArray();
        ranks = new double[graph.Count];
        var order = graph.TopologicalOrder;
        for (var i = order.Length - 1; i >= 0; i--) ranks[order[i]] = RankOf(order[i]);
    }

    private UpwardRank(UpwardRank other)
    {
        graph = other.graph;
        weights = (double[])other.weights.Clone();
        ranks = (double[])other.ranks.Clone();
    }

    /// <summary>The rank of a job in seconds.</summary>
    public double this[int job] => ranks[job];

    /// <summary>All ranks, by job.</summary>
    public ReadOnlySpan<double> All => ranks;

    /// <summary>A copy that goes its own way.</summary>
    public UpwardRank Clone() => new(this);

    /// <summary>
    /// Changes the weight of one job and the ranks that hang on it: work in proportion to what changes, not to the graph.
    /// </summary>
    /// <param name="job">Which job.</param>
    /// <param name="weight">Its seconds from now on.</param>
    /// <param name="changed">Gets each job whose rank has changed.</param>
    public void SetWeight(int job, double weight, ICollection<int> changed)
    {
        weights[job] = weight;
        pending.Enqueue(job);
        while (pending.TryDequeue(out var next))
        {
            var rank = RankOf(next);
            if (rank == ranks[next]) continue;
            ranks[next] = rank;
            changed.Add(next);
            foreach (var dependency in graph.DependenciesOf(next)) pending.Enqueue(dependency);
        }
    }

    private double RankOf(int job)
    {
        var largest = 0.0;
        foreach (var dependent in graph.DependentsOf(job)) largest = Math.Max(largest, ranks[dependent]);
        return weights[job] + largest;
    }
}
