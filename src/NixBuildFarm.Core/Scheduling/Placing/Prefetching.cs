namespace NixBuildFarm.Scheduling.Placing;

/// <summary>
/// The most urgent job of each queue that found no free slot begins to move its inputs to where it will probably start, if that is soon.
/// </summary>
internal sealed class Prefetching(PlacingContext context, EarliestFinish rule)
{
    /// <summary>
    /// Inputs are moved ahead when the wait for the slot is at most this many times the transfer, or this many seconds longer.
    /// </summary>
    private const double Ahead = 5;

    private readonly SchedulingState state = context.State;
    private (int Job, double Again)[] lookedAhead = [];

    /// <summary>Decides what is moved ahead now.</summary>
    public void Decide(double now, List<SchedulingDecision> decisions)
    {
        if (lookedAhead.Length != state.Queues.Count) lookedAhead = Enumerable.Repeat((-1, 0.0), state.Queues.Count).ToArray();
        for (var q = 0; q < state.Queues.Count; q++)
        {
            if (state.Queues[q].Count == 0) continue;
            var job = state.Queues[q].First;
            if (state.Transfers.TargetOf(job) >= 0) continue;
            if (lookedAhead[q].Job == job && now < lookedAhead[q].Again)
            {
                context.WakeUpAt(lookedAhead[q].Again);
                continue;
            }
            lookedAhead[q] = (job, double.PositiveInfinity);
            var place = rule.Best(job, now, mayWait: true);
            // One that waits for memory may wait for long.
            if (!place.Exists || (place.Waits && state.Builders[place.Builder].FreeSlots > 0)) continue;
            var inputsAt = state.Transfers.InputsAt(job, place.Builder, now);
            var free = Math.Max(now, state.Builders[place.Builder].Key);
            // Sooner than this the transfer would be in the way of more urgent ones.
            if (inputsAt <= now || (context.SparesLinks && MayStayWithInputs(job, place, now))) continue;
            var soon = free - Ahead * (1 + inputsAt - now);
            if (soon > now)
            {
                lookedAhead[q].Again = Math.Max(soon, now + PlacingContext.LeastDelay);
                context.WakeUpAt(lookedAhead[q].Again);
                continue;
            }
            state.Transfers.Book(job, place.Builder, now);
            decisions.Add(new SchedulingDecision.Prefetch(job, place.Builder));
        }
    }

    /// <summary>
    /// Whether the job would be placed on a builder that has made some of its inputs, were that free as early as it may well be. What was
    /// moved ahead would then have been moved for nothing.
    /// </summary>
    private bool MayStayWithInputs(int job, Place place, double now)
    {
        foreach (var dependency in state.Graph.DependenciesOf(job))
        {
            var maker = state.MadeOn(dependency);
            if (maker < 0 || maker == place.Builder || !state.MayTake(maker, job)) continue;
            if (!state.Groups.Scarce.IsOpen(maker, state.Classes[job])) continue;
            var best = Place.NoneBefore(place.Finish);
            rule.ConsiderFrom(job, maker, EarlyFree(maker, now), now, double.PositiveInfinity, ref best);
            if (best.Exists) return true;
        }
        return false;
    }

    /// <summary>When a slot of the builder may well be free, its jobs being shorter than thought.</summary>
    private double EarlyFree(int b, double now)
    {
        var builder = state.Builders[b];
        if (builder.FreeSlots > 0) return now;
        var earliest = double.PositiveInfinity;
        foreach (var slot in builder.Slots)
        {
            if (slot.Job < 0) continue;
            earliest = Math.Min(
                earliest, slot.StartedAt + (slot.FreeAt - slot.StartedAt) * Math.Exp(-2 * state.Estimates[slot.Job].Spread));
        }
        return Math.Max(now, earliest);
    }
}
