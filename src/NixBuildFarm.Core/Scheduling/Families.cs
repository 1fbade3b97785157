namespace NixBuildFarm.Scheduling;

/// <summary>
/// Jobs whose outputs the same job needs are a family, and the builder where the first of them starts is its home: what is built there need
/// not be sent when all is to come together. A home is a wish, not a duty: it decides where else it would make no difference.
/// </summary>
internal sealed class Families
{
    /// <summary>An output that more jobs need than this is needed everywhere, whatever is done.</summary>
    private const int MaxDependents = 16;

    /// <summary>A family larger than this is spread over the farm, whatever is done. It also bounds the work of one decision.</summary>
    private const int MaxSiblings = 32;

    /// <summary>Families that a builder is still looking for members of; the oldest are forgotten.</summary>
    private const int MaxOpen = 8;

    private readonly SchedulingState state;
    private int[] home;
    private readonly Dictionary<int, List<int>> open;

    public Families(SchedulingState state)
    {
        this.state = state;
        home = new int[state.Graph.Count];
        Array.Fill(home, -1);
        open = [];
    }

    private Families(Families other, SchedulingState copy)
    {
        state = copy;
        home = (int[])other.home.Clone();
        open = other.open.ToDictionary(p => p.Key, p => new List<int>(p.Value));
    }

    public Families Clone(SchedulingState copy) => new(this, copy);

    /// <summary>Makes room for more jobs.</summary>
    public void GrowJobs(int count) => GrowingArray.Grow(ref home, count, -1);

    /// <summary>The builder where what the job is needed with is built, or −1.</summary>
    public int HomeOf(int job) => NeededBy(job) is var parent and >= 0 ? home[parent] : -1;

    /// <summary>
    /// A job starts. If it is the first of its family, the others are to follow it; until they can, other families go first.
    /// </summary>
    public void Claim(int job, int builder)
    {
        var parent = NeededBy(job);
        if (parent < 0 || home[parent] >= 0) return;
        home[parent] = builder;
        if (!open.TryGetValue(builder, out var families)) open.Add(builder, families = []);
        if (families.Count == MaxOpen) families.RemoveAt(0);
        families.Add(parent);
        foreach (var sibling in state.Graph.DependenciesOf(parent))
        {
            state.Order.HasHome[sibling] = true;
            state.Requeue(sibling);
        }
    }

    /// <summary>
    /// A job that may take the place of the most urgent one on a builder, since it is of the same class and as urgent, and less needs to be
    /// sent: its inputs were built there, or else its output is needed there. −1: none, or what the job needs is there or under way.
    /// </summary>
    public int BetterSibling(int job, int builder)
    {
        if (home[job] == builder || state.Transfers.TargetOf(job) == builder || !open.TryGetValue(builder, out var families)) return -1;
        families.RemoveAll(parent => state.StateOf(parent) is not (JobState.Waiting or JobState.Ready));
        foreach (var parent in families)
        {
            if (IsAsGood(parent, job)) return parent;
        }
        if (HomeOf(job) == builder) return -1;
        foreach (var parent in families)
        {
            foreach (var sibling in state.Graph.DependenciesOf(parent))
            {
                if (IsAsGood(sibling, job)) return sibling;
            }
        }
        return -1;
    }

    private bool IsAsGood(int other, int job) =>
        state.Order.Position[other] >= 0
        && state.QueueOf(other) == state.QueueOf(job)
        && state.Order.IsEqual(other, job);

    /// <summary>The most urgent of those that need the job's output, if it is part of a family at all.</summary>
    private int NeededBy(int job)
    {
        var dependents = state.Graph.DependentsOf(job);
        if (dependents.Length is 0 or > MaxDependents) return -1;
        var first = dependents[0];
        foreach (var dependent in dependents)
        {
            if (state.Order.Key[dependent] > state.Order.Key[first]) first = dependent;
        }
        return state.Graph.DependenciesOf(first).Length is > 1 and <= MaxSiblings ? first : -1;
    }
}
