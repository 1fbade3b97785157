namespace NixBuildFarm.Scheduling.Placing;

/// <summary>
/// Puts a job where it ends first, counting the wait for a slot, the missing inputs and the builder's speed. Ties go to the builder that is
/// looked at first.
/// </summary>
/// <remarks>
/// Topcuoglu, Hariri and Wu, “Performance-effective and low-complexity task scheduling for heterogeneous computing”, 2002.
/// </remarks>
internal sealed class EarliestFinish(PlacingContext context, SlotForecast slots, MemoryHolds memory) : IPlacementRule
{
    /// <summary>A job is long when it fills this part of the time that is left.</summary>
    private const double GuardedPart = 0.03;

    /// <summary>A builder is one of the fastest for a job from this part of the best speed on.</summary>
    private const double NearlyBest = 0.97;

    /// <summary>Builders of a group that a job may wait for where the memory of all is taken: a bound for the work of one look.</summary>
    private const int MostOthers = 8;

    private readonly SchedulingState state = context.State;

    /// <inheritdoc/>
    public Place Best(int job, double now, bool mayWait)
    {
        var best = Place.None;
        var latest = LatestFinish(job, now);
        if (state.ExcludedBuilders.ContainsKey(job))
        {
            var may = state.BuildersFor(job);
            for (var b = 0; b < may.Length; b++)
            {
                if (may[b]) Consider(job, b, now, mayWait, latest, ref best);
            }
            return best;
        }
        // Ties go to where its output is needed.
        if (context.SparesLinks && state.Families.HomeOf(job) is var home and >= 0 && state.MayTake(home, job))
        {
            Consider(job, home, now, mayWait, latest, ref best);
        }
        foreach (var group in state.Groups.GroupsOf(state.Classes[job]))
        {
            var first = slots.FirstOf(group, now);
            Consider(job, first, now, mayWait, latest, ref best);
            if (!HasRoom(job, first)) ConsiderOthers(job, group, first, now, mayWait, latest, ref best);
        }
        // Where its inputs were made is worth a look as well: nothing needs to move.
        foreach (var dependency in state.Graph.DependenciesOf(job))
        {
            var maker = state.MadeOn(dependency);
            if (maker >= 0 && state.MayTake(maker, job)) Consider(job, maker, now, mayWait, latest, ref best);
        }
        return best;
    }

    /// <summary>Takes a builder for the best so far if the job ends there earlier.</summary>
    /// <param name="job">The job.</param>
    /// <param name="b">The builder.</param>
    /// <param name="free">When a slot of it is free.</param>
    /// <param name="now">The time.</param>
    /// <param name="latest">When the job has to end, unless this is one of its fastest builders.</param>
    /// <param name="best">The best so far.</param>
    public void ConsiderFrom(int job, int b, double free, double now, double latest, ref Place best) =>
        Take(job, PlaceFrom(job, b, free, now), mayWait: true, latest, ref best);

    /// <summary>Whether a builder has memory and space for a job, and nobody waits for its memory.</summary>
    private bool HasRoom(int job, int b) => memory.IsFree(job, b) && state.HasSpaceFor(job, b);

    /// <summary>The builder that is free first lacks memory or space: one that has both does as well, or a few may soon.</summary>
    private void ConsiderOthers(int job, int group, int first, double now, bool mayWait, double latest, ref Place best)
    {
        int[] others = [.. state.Groups.MembersOf(group)];
        var free = Array.FindIndex(others, b => state.Builders[b].FreeSlots > 0 && HasRoom(job, b));
        if (free >= 0) others = [others[free]];
        foreach (var other in others.AsSpan(0, Math.Min(others.Length, MostOthers)))
        {
            if (other != first) Consider(job, other, now, mayWait, latest, ref best);
        }
        // What fits nowhere goes where most space is, so that one is looked at in any case.
        if (free >= 0 || others.Length <= MostOthers) return;
        var widest = others.MaxBy(b => state.Builders[b].SpaceLeft);
        if (Array.IndexOf(others, widest) >= MostOthers) Consider(job, widest, now, mayWait, latest, ref best);
    }

    private void Consider(int job, int b, double now, bool mayWait, double latest, ref Place best)
    {
        var builder = state.Builders[b];
        if (builder.Slots.Length == 0) return;
        if (!state.Groups.Scarce.IsOpen(b, state.Classes[job])) return;
        // Whose turn it is does not give way to the short jobs of others.
        if (context.Heuristic.Guards && !state.Shares.AreNeeded && IsGuarded(job, b, now)) return;
        if (!mayWait && builder.FreeSlots == 0) return;
        if (state.ExpectsBuilders && state.IsTooLargeFor(b, job))
        {
            if (!best.Exists) best = best with { LacksRoom = true };
            return;
        }
        if (!state.TakesForSpace(job, b))
        {
            if (!best.Exists) best = best with { LacksRoom = true };
            return;
        }
        var free = builder.FreeSlots > 0 ? now : Math.Max(now, builder.Key);
        var place = PlaceFrom(job, b, free, now) with { Waits = builder.FreeSlots == 0 };
        if (builder.UsableMemory is not null && memory.FreeAt(job, b, place.Finish, now) is var fits && fits > free)
        {
            if (double.IsInfinity(fits))
            {
                if (!best.Exists) best = best with { LacksRoom = true };
                return;
            }
            place = PlaceFrom(job, b, fits, now) with { Waits = true };
        }
        Take(job, place, mayWait, latest, ref best);
    }

    private Place PlaceFrom(int job, int b, double free, double now)
    {
        var start = Math.Max(free, state.Transfers.InputsAt(job, b, now)) + context.Options.StartOverhead;
        var finish = start + state.Estimates[job].MeanSeconds / state.SpeedOf(b, job);
        if (context.Options.Moldable || context.Sharing.IsOn)
        {
            finish = start + (finish - start) * context.Factor(job, b, context.CoresFor(job, b));
        }
        return new Place(b, start, finish);
    }

    private void Take(int job, Place place, bool mayWait, double latest, ref Place best)
    {
        // Later than it should be is still best on the fastest: there the job keeps its place in the queue.
        if (place.Finish > latest && !IsNearlyBest(job, place.Builder))
        {
            if (!best.Exists) best = best with { IsTooLate = true };
            return;
        }
        // For memory every job waits where it can start nowhere, else small ones would keep it from large ones for ever.
        var isBetter = mayWait || !best.Exists || place.Waits == best.Waits ? place.Finish < best.Finish : best.Waits;
        if (isBetter) best = place;
    }

    /// <summary>
    /// When the job has to end so that what follows it fits in before the deadline; infinite where no builder can do that.
    /// </summary>
    private double LatestFinish(int job, double now)
    {
        var latest = context.Deadline - context.TailOf(job);
        return now + context.LeastSeconds(job) > latest || state.RunningCount == 0 ? double.PositiveInfinity : latest;
    }

    /// <summary>
    /// Whether the builder's last fast slot is kept from this job: it is long, and the critical path does not hang on it.
    /// </summary>
    private bool IsGuarded(int job, int b, double now)
    {
        var builder = state.Builders[b];
        if (builder.FreeSlots != 1 || state.RunningCount == 0) return false;
        var horizon = context.RunEnd - now;
        return IsNearlyBest(job, b)
            && state.Estimates[job].Seconds / state.SpeedOf(b, job) > GuardedPart * horizon
            && state.Order.Key[job] < PlacingContext.CriticalPart * horizon
            && state.Groups.HasOneFreeSlot(builder.Group);
    }

    private bool IsNearlyBest(int job, int b) => state.SpeedOf(b, job) >= NearlyBest * state.BestSpeedOf(job);
}
