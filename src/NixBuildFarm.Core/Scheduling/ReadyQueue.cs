namespace NixBuildFarm.Scheduling;

/// <summary>
/// The ready jobs of one eligibility class, most urgent first: larger priority, larger key, more dependents, no home, smaller index. A binary
/// heap that knows where each job lies, so that any job can be taken out or moved when its key changes.
/// </summary>
internal sealed class ReadyQueue(JobOrder order)
{
    private readonly List<int> heap = [];

    public int Count => heap.Count;

    public int First => heap[0];

    /// <summary>The jobs in no order.</summary>
    public IReadOnlyList<int> Jobs => heap;

    public ReadyQueue Clone(JobOrder withOrder)
    {
        var copy = new ReadyQueue(withOrder);
        copy.heap.AddRange(heap);
        return copy;
    }

    public void Add(int job)
    {
        heap.Add(job);
        MoveUp(heap.Count - 1);
    }

    public void Remove(int job)
    {
        var i = order.Position[job];
        var last = heap[^1];
        heap.RemoveAt(heap.Count - 1);
        order.Position[job] = -1;
        if (i == heap.Count) return;
        heap[i] = last;
        MoveDown(i);
        MoveUp(order.Position[last]);
    }

    /// <summary>Puts a job where its changed key belongs.</summary>
    public void Update(int job)
    {
        MoveDown(order.Position[job]);
        MoveUp(order.Position[job]);
    }

    /// <summary>Restores the order after all keys have changed.</summary>
    public void Rebuild()
    {
        for (var i = heap.Count - 1; i >= 0; i--) MoveDown(i);
    }

    private void MoveUp(int i)
    {
        var job = heap[i];
        while (i > 0)
        {
            var parent = (i - 1) / 2;
            if (!order.IsBefore(job, heap[parent])) break;
            Set(i, heap[parent]);
            i = parent;
        }
        Set(i, job);
    }

    private void MoveDown(int i)
    {
        var job = heap[i];
        while (true)
        {
            var child = 2 * i + 1;
            if (child >= heap.Count) break;
            if (child + 1 < heap.Count && order.IsBefore(heap[child + 1], heap[child])) child++;
            if (!order.IsBefore(heap[child], job)) break;
            Set(i, heap[child]);
            i = child;
        }
        Set(i, job);
    }

    private void Set(int i, int job)
    {
        heap[i] = job;
        order.Position[job] = i;
    }
}

/// <summary>The order among ready jobs, shared by all queues of a scheduler.</summary>
internal sealed class JobOrder(JobGraph graph)
{
    /// <summary>Larger is more urgent.</summary>
    public double[] Key { get; private init; } = new double[graph.Count];

    /// <summary>Where each ready job lies in its queue; −1 elsewhere.</summary>
    public int[] Position { get; private init; } = Enumerable.Repeat(-1, graph.Count).ToArray();

    /// <summary>Jobs that one builder of several is the right one for: among equals, the others are placed first.</summary>
    public bool[] HasHome { get; private init; } = new bool[graph.Count];

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

    public JobOrder Clone() => new(graph) { Key = (double[])Key.Clone(), Position = (int[])Position.Clone(), HasHome = (bool[])HasHome.Clone() };
}
