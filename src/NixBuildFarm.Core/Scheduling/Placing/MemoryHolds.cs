namespace NixBuildFarm.Scheduling.Placing;

/// <summary>
/// When a builder has the memory for a job. What is most urgent of that which waits for memory there has it held, for the rest of the
/// decision: from the time on at which it should fit, the others take only what it leaves. So small jobs fill what is free until then, and
/// do not keep a large one waiting for ever.
/// </summary>
/// <remarks>
/// Known as EASY backfilling, there for nodes: Lifka, “The ANL/IBM SP scheduling system”, 1995.
/// </remarks>
internal sealed class MemoryHolds(PlacingContext context, SlotForecast slots)
{
    private readonly SchedulingState state = context.State;
    private readonly Dictionary<int, (double From, long Left)> holds = [];
    private readonly List<(double FreeAt, long Memory)> ends = [];

    /// <summary>Whether a builder has the memory for a job now, and nobody waits for memory there.</summary>
    public bool IsFree(int job, int b) => state.Builders[b].UsableMemory is null
        || (state.Builders[b].HasMemoryFor(state.NeedOf(job, b)) && (holds.Count == 0 || !holds.ContainsKey(b)));

    /// <summary>When a builder has the memory for a job; infinite: not as long as another job waits for it there.</summary>
    /// <param name="job">The job.</param>
    /// <param name="b">The builder.</param>
    /// <param name="finish">When the job would end if it had not to wait for memory.</param>
    /// <param name="now">The time.</param>
    public double FreeAt(int job, int b, double finish, double now)
    {
        var builder = state.Builders[b];
        var need = state.NeedOf(job, b);
        var fits = builder.HasMemoryFor(need);
        if (holds.Count > 0 && holds.TryGetValue(b, out var hold))
        {
            return fits && (finish <= hold.From || need <= hold.Left) ? now : double.PositiveInfinity;
        }
        return fits ? now : Forecast(b, need, now).At;
    }

    /// <summary>A job waits until there is memory for it.</summary>
    /// <returns>When that should be.</returns>
    public double Hold(int job, int b, double now)
    {
        var need = state.NeedOf(job, b);
        var (at, inUse) = Forecast(b, need, now);
        holds.TryAdd(b, (at, state.Builders[b].UsableMemory!.Value - inUse - need));
        return at;
    }

    /// <summary>A job starts.</summary>
    /// <param name="job">The job.</param>
    /// <param name="b">The builder.</param>
    /// <param name="finish">When it should end.</param>
    public void Start(int job, int b, double finish)
    {
        if (holds.Count == 0 || !holds.TryGetValue(b, out var hold) || finish <= hold.From) return;
        holds[b] = hold with { Left = hold.Left - state.NeedOf(job, b) };
    }

    /// <summary>The decision is taken.</summary>
    public void Clear() => holds.Clear();

    /// <summary>When so much has ended that a job fits, and what is in use then.</summary>
    private (double At, long InUse) Forecast(int b, long need, double now)
    {
        slots.UpdateLate(b, now);
        var builder = state.Builders[b];
        ends.Clear();
        foreach (var slot in builder.Slots)
        {
            if (slot.Job >= 0) ends.Add((slot.FreeAt, slot.Memory));
        }
        ends.Sort();
        var (at, inUse) = (now, builder.MemoryInUse);
        foreach (var (freeAt, memory) in ends)
        {
            if (inUse + need <= builder.UsableMemory) break;
            (at, inUse) = (freeAt, inUse - memory);
        }
        return (at, inUse);
    }
}
