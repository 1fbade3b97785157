namespace NixBuildFarm.Scheduling.Placing;

/// <summary>
/// Nothing is ready and builders are idle: a job on the critical path that a faster builder would end sooner, begun anew there, is
/// started a second time. So is one that takes so long that something must be wrong with its builder.
/// </summary>
internal sealed class Hedging(PlacingContext context)
{
    /// <summary>Seconds between two looks at stragglers, and the least delay that makes one.</summary>
    private const double Interval = 5, LeastStuckSeconds = 120;

    private readonly SchedulingState state = context.State;
    private readonly HashSet<int> hedged = [];
    private double next;

    /// <summary>Whether a job was started a second time.</summary>
    public bool IsHedged(int job) => hedged.Contains(job);

    /// <summary>The job has ended, or lost one of its attempts.</summary>
    public void Forget(int job) => hedged.Remove(job);

    /// <summary>The same jobs are hedged.</summary>
    public void CopyFrom(Hedging other) => hedged.UnionWith(other.hedged);

    /// <summary>Decides what is started a second time now.</summary>
    public void Decide(double now, List<SchedulingDecision> decisions)
    {
        if (now >= next)
        {
            next = now + Interval;
            var last = 0.0;
            for (var b = 0; b < state.Builders.Length; b++)
            {
                foreach (var slot in state.Builders[b].Slots)
                {
                    if (slot.Job >= 0) last = Math.Max(last, LateEnd(slot, b, now) + context.TailOf(slot.Job));
                }
            }
            for (var b = 0; b < state.Builders.Length; b++)
            {
                foreach (var slot in state.Builders[b].Slots)
                {
                    if (slot.Job < 0 || !slot.HasBegun || hedged.Contains(slot.Job)) continue;
                    var end = LateEnd(slot, b, now) + context.TailOf(slot.Job);
                    HedgeIfWorth(slot, b, isCritical: end - now >= PlacingContext.CriticalPart * (last - now), now, decisions);
                }
            }
        }
        context.WakeUpAt(next);
    }

    /// <summary>When a running job may well end; what it will really take nobody knows.</summary>
    private double LateEnd(BuilderState.Slot slot, int builder, double now)
    {
        var (estimate, scale) = (state.Estimates[slot.Job], ScaleOf(slot, builder));
        var elapsed = Math.Max(0, now - slot.StartedAt);
        return slot.StartedAt + scale * Math.Max(estimate.ExpectedSeconds(elapsed / scale), estimate.Seconds * Math.Exp(estimate.Spread));
    }

    private void HedgeIfWorth(BuilderState.Slot slot, int builder, bool isCritical, double now, List<SchedulingDecision> decisions)
    {
        var (estimate, scale) = (state.Estimates[slot.Job], ScaleOf(slot, builder));
        var isStuck = (now - slot.StartedAt) / scale > LeastStuckSeconds + estimate.Seconds * Math.Exp(3 * estimate.Spread);
        if (!isCritical && !isStuck) return;
        var end = LateEnd(slot, builder, now);
        var best = Place.NoneBefore(isStuck ? double.PositiveInfinity : end);
        var seconds = (end - slot.StartedAt) / scale;
        foreach (var group in state.Groups.GroupsOf(state.Classes[slot.Job]))
        {
            var other = state.Groups.FirstOf(group);
            if (other == builder || state.Builders[other].FreeSlots == 0 || state.IsExcluded(slot.Job, other)) continue;
            if (!state.Builders[other].HasMemoryFor(state.NeedOf(slot.Job, other)) || !state.HasSpaceFor(slot.Job, other)) continue;
            var start = state.Transfers.InputsAt(slot.Job, other, now) + context.Options.StartOverhead;
            var factor = context.Factor(slot.Job, other, context.CoresFor(slot.Job, other));
            var finish = start + seconds * factor / state.SpeedOf(other, slot.Job);
            if (finish < best.Finish) best = new Place(other, start, finish);
        }
        if (!best.Exists) return;
        var cores = context.CoresFor(slot.Job, best.Builder);
        hedged.Add(slot.Job);
        state.TakeAgain(slot.Job, best.Builder, best.Start, best.Finish, cores);
        decisions.Add(new SchedulingDecision.Hedge(slot.Job, best.Builder, cores, best.Finish));
    }

    /// <summary>Seconds there for each reference second of the job.</summary>
    private double ScaleOf(BuilderState.Slot slot, int builder) =>
        context.Factor(slot.Job, builder, slot.Cores) / state.SpeedOf(builder, slot.Job);
}
