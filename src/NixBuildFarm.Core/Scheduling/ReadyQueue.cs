namespace NixBuildFarm.Scheduling;

/// <summary>
/// The ready jobs of one eligibility class, most urgent first: larger priority, larger key, more dependents, no home, smaller index.
/// </summary>
internal sealed class ReadyQueue : IndexedHeap<ReadyQueue.ByUrgency>
{
    public ReadyQueue(JobOrder order)
        : base(new(order), order.Position)
    {
    }

    private ReadyQueue(ReadyQueue other, JobOrder order)
        : base(other, new(order), order.Position)
    {
    }

    public ReadyQueue Clone(JobOrder withOrder) => new(this, withOrder);

    internal readonly struct ByUrgency(JobOrder order) : IHeapOrder
    {
        public bool IsBefore(int a, int b) => order.IsBefore(a, b);
    }
}

/// <summary>The order among ready jobs, shared by all queues of a scheduler.</summary>
internal sealed class JobOrder(JobGraph graph)
{
    private double[] keys = new double[graph.Count];
    private int[] positions = Enumerable.Repeat(-1, graph.Count).ToArray();
    private bool[] homes = new bool[graph.Count];

    /// <summary>Larger is more urgent.</summary>
    public double[] Key => keys;

    /// <summary>Where each ready job lies in its queue; −1 elsewhere.</summary>
    public int[] Position => positions;

    /// <summary>Jobs that one builder of several is the right one for: among equals, the others are placed first.</summary>
    public bool[] HasHome => homes;

    public bool IsBefore(int a, int b)
    {
        if (graph[a].Priority != graph[b].Priority) return graph[a].Priority > graph[b].Priority;
        if (Key[a] != Key[b]) return Key[a] > Key[b];
        var dependents = graph.DependentsOf(a).Length - graph.DependentsOf(b).Length;
        if (dependents != 0) return dependents > 0;
        return HasHome[a] != HasHome[b] ? HasHome[b] : a < b;
    }

    /// <summary>Whether nothing but homes and indexes puts one before the other.</summary>
    public bool IsEqual(int a, int b) =>
        graph[a].Priority == graph[b].Priority && Key[a] == Key[b] && graph.DependentsOf(a).Length == graph.DependentsOf(b).Length;

    /// <summary>Makes room for more jobs.</summary>
    /// <returns>Whether positions lie in another array now: queues have to be cloned.</returns>
    public bool GrowJobs(int count)
    {
        GrowingArray.Grow(ref keys, count, 0);
        GrowingArray.Grow(ref homes, count, false);
        return GrowingArray.Grow(ref positions, count, -1);
    }

    public JobOrder Clone() =>
        new(graph) { keys = (double[])keys.Clone(), positions = (int[])positions.Clone(), homes = (bool[])homes.Clone() };
}
