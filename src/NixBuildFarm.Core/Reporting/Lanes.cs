namespace NixBuildFarm.Reporting;

/// <summary>Puts stretches of time into lanes, so that none covers another, with as few lanes as can be.</summary>
internal sealed class Lanes
{
    // Clocks of a run are read one after the other, so consecutive bars may seem to overlap.
    private const double Tolerance = 0.001;
    private readonly List<Stretch> stretches = [];

    /// <summary>How many lanes there are, once they are assigned.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a bar; its lane is known when all are added.</summary>
    public void Add(double start, double end, Action<int> assign) => stretches.Add(new(start, end, assign));

    /// <summary>Assigns the lanes: each stretch gets the first that is free.</summary>
    public void Assign()
    {
        var free = new PriorityQueue<int, int>();
        var busy = new PriorityQueue<int, double>();
        foreach (var stretch in stretches.OrderBy(stretch => stretch.Start))
        {
            while (busy.TryPeek(out var lane, out var end) && end <= stretch.Start + Tolerance)
            {
                busy.Dequeue();
                free.Enqueue(lane, lane);
            }
            var own = free.TryDequeue(out var released, out _) ? released : Count++;
            busy.Enqueue(own, stretch.End);
            stretch.Assign(own);
        }
    }

    private sealed record Stretch(double Start, double End, Action<int> Assign);
}
