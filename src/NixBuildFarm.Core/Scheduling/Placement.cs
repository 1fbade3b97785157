using System.Runtime.InteropServices;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// Earliest finish time: takes the ready jobs in order of rank and puts each where it ends first, counting the wait for a slot, the missing
/// inputs and the builder's speed. Where that is a builder that is busy, the job waits for it, and the place is kept in mind while the
/// jobs of lower rank are placed.
/// </summary>
internal sealed class Placement(SchedulingState state, SchedulerOptions options, Heuristic first)
{
    /// <summary>
    /// Jobs of one class that may decide to wait in one decision: a bound for the work of one event. Those after them take what is idle.
    /// </summary>
    private const int MaxWaiting = 64;

    private const int Exhausted = -1;

    /// <summary>Seconds between two looks at stragglers, and the least delay that makes one.</summary>
    private const double HedgeInterval = 5, LeastStuckSeconds = 120;

    /// <summary>Inputs are moved ahead when the wait for the slot is at most this many times the transfer, or this many seconds longer.</summary>
    private const double PrepareAhead = 5;

    /// <summary>A job is long when it fills this part of the time that is left, and critical when its rank does.</summary>
    private const double GuardedPart = 0.03, CriticalPart = 0.9;

    /// <summary>A builder is one of the fastest for a job from this part of the best speed on.</summary>
    private const double NearlyBest = 0.97;

    /// <summary>A late job, or one whose inputs are to be moved ahead later, is looked at again after so many seconds at the earliest.</summary>
    private const double LeastDelay = 0.2;

    private readonly List<(int Builder, int Slot, double FreeAt)> reserved = [];
    private readonly List<int> waiting = [];
    private readonly HashSet<int> hedged = [];
    private readonly HashSet<int> reportedNoBuilder = [];
    private int[] patience = [];
    private (int Job, double Again)[] lookedAhead = [];
    private Heuristic heuristic = first;
    private double latestEnd;
    private double lastDecision;
    private double runEnd;
    private double nextHedge;
    private double deadline;

    /// <summary>When a decision may change although nothing happens.</summary>
    public double? NextWakeup { get; private set; }

    public void Decide(double now, List<SchedulingDecision> decisions)
    {
        NextWakeup = null;
        ForeseeEnd(now);
        PlaceReady(now, decisions);
        if (state.RunningCount == 0 && state.ReadyCount > 0)
        {
            // Nothing runs, so nothing would ever change: a job that has failed elsewhere may have only a builder that is kept for others.
            Requeue();
            state.Kinds.Scarce.Foresee(state.RemainingWork, double.PositiveInfinity);
            PlaceReady(now, decisions);
        }
        if (heuristic.Rule == PlacementRule.EarliestFinish) PrepareNext(now, decisions);
        var isQuiet = options.Hedge && state.ReadyCount == 0;
        Requeue();
        for (var i = reserved.Count - 1; i >= 0; i--) state.SetFreeAt(reserved[i].Builder, reserved[i].Slot, reserved[i].FreeAt);
        reserved.Clear();
        if (isQuiet && state.RunningCount > 0) HedgeStragglers(now, decisions);
    }

    private void PlaceReady(double now, List<SchedulingDecision> decisions)
    {
        Array.Resize(ref patience, state.Queues.Count);
        Array.Fill(patience, heuristic.Waits ? MaxWaiting : 0);
        var postponements = MaxWaiting;
        for (var next = NextJob(); next >= 0; next = NextJob())
        {
            ref var patienceLeft = ref patience[state.Classes[next]];
            var place = Best(next, now, mayWait: patienceLeft > 0);
            if (place.Builder >= 0 && state.Builders[place.Builder].FreeSlots > 0)
            {
                decisions.Add(FollowFamily(next, place, now, mayWait: patienceLeft > 0));
            }
            else if (place.Builder >= 0)
            {
                Wait(next, place, now);
                patienceLeft--;
            }
            else if (place.IsTooLate)
            {
                state.Dequeue(next);
                waiting.Add(next);
                patienceLeft = Math.Max(0, patienceLeft - 1);
                if (--postponements <= 0) patienceLeft = Exhausted;
            }
            else if (IsPossible(next))
            {
                // All that is idle is kept for other jobs, or closed to this one: so it is for the rest of its class.
                patienceLeft = Exhausted;
            }
            else
            {
                state.Dequeue(next);
                waiting.Add(next);
                if (reportedNoBuilder.Add(next)) decisions.Add(new SchedulingDecision.NoBuilder(next));
            }
        }
    }

    private void Requeue()
    {
        foreach (var job in waiting) state.Enqueue(job);
        waiting.Clear();
    }

    /// <summary>Until when the run lasts at least, by what is ready, what has started and the work that is left.</summary>
    private void ForeseeEnd(double now)
    {
        var work = 0.0;
        for (var c = 0; c < state.Queues.Count; c++)
        {
            work += state.RemainingWork[c];
            if (state.Queues[c].Count > 0) latestEnd = Math.Max(latestEnd, now + state.Order.Key[state.Queues[c].First]);
        }
        var scarce = state.Kinds.Scarce;
        var horizon = Math.Max(latestEnd - now, Math.Max(work / state.Kinds.TotalCapacity, scarce.LeastTime(state.RemainingWork)));
        scarce.Foresee(state.RemainingWork, heuristic.Reserve > 0 ? horizon * heuristic.Reserve : double.PositiveInfinity);
        (lastDecision, runEnd) = (now, now + horizon);
        deadline = heuristic.Deadline > 0 ? now + horizon * heuristic.Deadline : double.PositiveInfinity;
    }

    /// <summary>The build itself has begun: what was a forecast of its end is now counted from here.</summary>
    public void Begin(int job, int builder, double now)
    {
        var slot = state.Builders[builder].IndexOf(job);
        state.Builders[builder].Slots[slot].StartedAt = now;
        state.Builders[builder].Slots[slot].HasBegun = true;
        state.SetFreeAt(builder, slot, now + state.Estimates[job].Seconds * CoreFactor(job, builder, slot) / state.SpeedOf(builder, job));
        foreach (var dependency in state.Graph.DependenciesOf(job)) state.Locations.Add(dependency, builder);
    }

    public void InputsArrived(int job, int builder, double now)
    {
        foreach (var dependency in state.Graph.DependenciesOf(job)) state.Locations.Add(dependency, builder);
        if (state.PreparedOn[job] == builder) state.InputsAt[job] = now;
    }

    public void EstimateChanged(int job, double now)
    {
        if (state.StateOf(job) != JobState.Running) return;
        for (var b = 0; b < state.Builders.Length; b++)
        {
            var slot = state.Builders[b].IndexOf(job);
            if (slot >= 0) Foresee(b, slot, now);
        }
    }

    public void FarmChanged() => reportedNoBuilder.Clear();

    /// <summary>The same knowledge, on a copy of the state and with another heuristic.</summary>
    public Placement Fork(SchedulingState copy, SchedulerOptions with, Heuristic other)
    {
        var fork = new Placement(copy, with, other) { latestEnd = latestEnd };
        fork.hedged.UnionWith(hedged);
        fork.reportedNoBuilder.UnionWith(reportedNoBuilder);
        return fork;
    }

    /// <summary>Goes on with another heuristic.</summary>
    public void Follow(Heuristic other) => heuristic = other;

    public bool IsHedged(int job) => hedged.Contains(job);

    public void EndHedge(int job) => hedged.Remove(job);

    /// <summary>Whether equal choices are made so that less needs to be sent. The rules of others know nothing of that.</summary>
    private bool SparesLinks => heuristic is { Rule: PlacementRule.EarliestFinish, IsFifo: false };

    private bool IsPossible(int job)
    {
        if (!state.ExcludedBuilders.ContainsKey(job)) return state.Kinds.KindsOf(state.Classes[job]).Length > 0;
        for (var b = 0; b < state.Builders.Length; b++)
        {
            if (state.MayTake(b, job)) return true;
        }
        return false;
    }

    private double CoreFactor(int job, int builder, int slot) => CoreFactorOf(job, state.Builders[builder].Slots[slot].Cores);

    private double CoreFactorOf(int job, int cores) => Estimate.CoreFactor(options.Moldable && state.Graph[job].EnableParallelBuilding, cores);

    /// <summary>Seconds of the job on the best builder with all its cores.</summary>
    private double LeastSeconds(int job) =>
        state.Estimates[job].Seconds * CoreFactorOf(job, state.BestCoresFor(job)) / state.BestSpeedOf(job) + options.StartOverhead;

    /// <summary>What follows the job takes so long at least.</summary>
    private double TailOf(int job) => Math.Max(0, state.Order.Key[job] - LeastSeconds(job));

    /// <summary>The most urgent ready job for which a builder is idle, or −1.</summary>
    private int NextJob()
    {
        var best = -1;
        for (var c = 0; c < state.Queues.Count; c++)
        {
            var queue = state.Queues[c];
            if (queue.Count == 0 || patience[c] == Exhausted) continue;
            // A class that no builder may take is looked at too, to say so.
            if (state.Kinds.KindsOf(c).Length > 0 && !state.Kinds.HasIdle(c)) continue;
            if (best < 0 || state.Order.IsBefore(queue.First, best)) best = queue.First;
        }
        return best;
    }

    /// <summary>Starts a job, or in its place an equal one whose output is needed together with what is built there.</summary>
    private SchedulingDecision.Start FollowFamily(int job, Place place, double now, bool mayWait)
    {
        if (!SparesLinks) return Start(job, place, now);
        var sibling = state.Families.Instead(job, place.Builder);
        if (sibling >= 0 && Best(sibling, now, mayWait) is var other && other.Builder == place.Builder) (job, place) = (sibling, other);
        state.Families.Settle(job, place.Builder);
        return Start(job, place, now);
    }

    private SchedulingDecision.Start Start(int job, Place place, double now)
    {
        var cores = CoresFor(job, place.Builder);
        NoteTransfer(job, place.Builder, now);
        state.Take(job, place.Builder, Math.Max(now, place.Start), place.Finish, cores, isHedge: false);
        return new SchedulingDecision.Start(job, place.Builder, cores, place.Finish, ReasonFor(job));
    }

    /// <summary>
    /// The most urgent job of each class that found no free slot begins to move its inputs to where it will probably start, if that is soon.
    /// </summary>
    private void PrepareNext(double now, List<SchedulingDecision> decisions)
    {
        if (lookedAhead.Length != state.Queues.Count) lookedAhead = Enumerable.Repeat((-1, 0.0), state.Queues.Count).ToArray();
        for (var c = 0; c < state.Queues.Count; c++)
        {
            if (state.Queues[c].Count == 0) continue;
            var job = state.Queues[c].First;
            if (state.PreparedOn[job] >= 0) continue;
            if (lookedAhead[c].Job == job && now < lookedAhead[c].Again)
            {
                WakeUpAt(lookedAhead[c].Again);
                continue;
            }
            lookedAhead[c] = (job, double.PositiveInfinity);
            var place = Best(job, now, mayWait: true);
            if (place.Builder < 0) continue;
            var inputsAt = InputsAt(job, place.Builder, now);
            var free = Math.Max(now, state.Builders[place.Builder].Key);
            // Sooner than this the transfer would be in the way of more urgent ones.
            if (inputsAt <= now || (SparesLinks && MayStayWithInputs(job, place, now))) continue;
            var soon = free - PrepareAhead * (1 + inputsAt - now);
            if (soon > now)
            {
                lookedAhead[c].Again = Math.Max(soon, now + LeastDelay);
                WakeUpAt(lookedAhead[c].Again);
                continue;
            }
            NoteTransfer(job, place.Builder, now);
            decisions.Add(new SchedulingDecision.Prepare(job, place.Builder));
        }
    }

    /// <summary>
    /// Whether the job would be placed on a builder that has made some of its inputs, were that free as early as it may well be. What was sent
    /// ahead would then have been sent for nothing.
    /// </summary>
    private bool MayStayWithInputs(int job, Place place, double now)
    {
        foreach (var dependency in state.Graph.DependenciesOf(job))
        {
            var maker = state.MadeOn[dependency];
            if (maker < 0 || maker == place.Builder || !state.MayTake(maker, job) || !state.Kinds.Scarce.IsOpen(maker, state.Classes[job])) continue;
            var best = new Place(-1, 0, place.Finish);
            ConsiderFrom(job, maker, EarlyFree(maker, now), now, double.PositiveInfinity, ref best);
            if (best.Builder >= 0) return true;
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
            earliest = Math.Min(earliest, slot.StartedAt + (slot.FreeAt - slot.StartedAt) * Math.Exp(-2 * state.Estimates[slot.Job].Spread));
        }
        return Math.Max(now, earliest);
    }

    /// <summary>
    /// Nothing is ready and builders are idle: a job on the critical path that a faster builder would end sooner, begun anew there, is
    /// started a second time. So is one that takes so long that something must be wrong with its builder.
    /// </summary>
    private void HedgeStragglers(double now, List<SchedulingDecision> decisions)
    {
        if (now >= nextHedge)
        {
            nextHedge = now + HedgeInterval;
            var last = 0.0;
            for (var b = 0; b < state.Builders.Length; b++)
            {
                foreach (var slot in state.Builders[b].Slots)
                {
                    if (slot.Job >= 0) last = Math.Max(last, LateEnd(slot, b, now) + TailOf(slot.Job));
                }
            }
            for (var b = 0; b < state.Builders.Length; b++)
            {
                foreach (var slot in state.Builders[b].Slots)
                {
                    if (slot.Job < 0 || !slot.HasBegun || hedged.Contains(slot.Job)) continue;
                    var isCritical = LateEnd(slot, b, now) + TailOf(slot.Job) - now >= CriticalPart * (last - now);
                    HedgeIfWorth(slot, b, isCritical, now, decisions);
                }
            }
        }
        if (!(NextWakeup <= nextHedge)) NextWakeup = nextHedge;
    }

    /// <summary>When a running job may well end; what it will really take nobody knows.</summary>
    private double LateEnd(BuilderState.Slot slot, int builder, double now)
    {
        var (estimate, scale) = (state.Estimates[slot.Job], CoreFactorOf(slot.Job, slot.Cores) / state.SpeedOf(builder, slot.Job));
        var elapsed = Math.Max(0, now - slot.StartedAt);
        return slot.StartedAt + scale * Math.Max(estimate.ExpectedSeconds(elapsed / scale), estimate.Seconds * Math.Exp(estimate.Spread));
    }

    private void HedgeIfWorth(BuilderState.Slot slot, int builder, bool isCritical, double now, List<SchedulingDecision> decisions)
    {
        var (estimate, scale) = (state.Estimates[slot.Job], CoreFactorOf(slot.Job, slot.Cores) / state.SpeedOf(builder, slot.Job));
        var isStuck = (now - slot.StartedAt) / scale > LeastStuckSeconds + estimate.Seconds * Math.Exp(3 * estimate.Spread);
        if (!isCritical && !isStuck) return;
        var seconds = (LateEnd(slot, builder, now) - slot.StartedAt) / scale;
        var best = new Place(-1, 0, isStuck ? double.PositiveInfinity : LateEnd(slot, builder, now));
        foreach (var kind in state.Kinds.KindsOf(state.Classes[slot.Job]))
        {
            var other = state.Kinds.FirstOf(kind);
            if (other == builder || state.Builders[other].FreeSlots == 0 || state.IsExcluded(slot.Job, other)) continue;
            var start = InputsAt(slot.Job, other, now) + options.StartOverhead;
            var finish = start + seconds * CoreFactorOf(slot.Job, CoresFor(slot.Job, other)) / state.SpeedOf(other, slot.Job);
            if (finish < best.Finish) best = new Place(other, start, finish);
        }
        if (best.Builder < 0) return;
        var cores = CoresFor(slot.Job, best.Builder);
        hedged.Add(slot.Job);
        state.Take(slot.Job, best.Builder, best.Start, best.Finish, cores, isHedge: true);
        decisions.Add(new SchedulingDecision.Hedge(slot.Job, best.Builder, cores, best.Finish));
    }

    private PlacementReason ReasonFor(int job)
    {
        if (heuristic.Rule != PlacementRule.EarliestFinish) return PlacementReason.PolicyRule;
        var kinds = state.Kinds.KindsOf(state.Classes[job]);
        if (kinds.Length == 1 && state.Kinds.MembersOf(kinds[0]).Length == 1) return PlacementReason.OnlyChoice;
        return patience[state.Classes[job]] > 0 ? PlacementReason.EarliestFinish : PlacementReason.FreeNow;
    }

    private void Wait(int job, Place place, double now)
    {
        state.Dequeue(job);
        waiting.Add(job);
        var builder = state.Builders[place.Builder];
        var slot = builder.EarliestSlot();
        var freeAt = builder.Slots[slot].FreeAt;
        if (freeAt > now && !(NextWakeup <= freeAt)) NextWakeup = freeAt;
        reserved.Add((place.Builder, slot, freeAt));
        state.SetFreeAt(place.Builder, slot, place.Finish);
    }

    /// <summary>The eligible builder on which the job ends first. Ties go to the one that is looked at first.</summary>
    private Place Best(int job, double now, bool mayWait)
    {
        if (heuristic.Rule != PlacementRule.EarliestFinish) return ByLoad(job, now);
        var best = new Place(-1, 0, double.PositiveInfinity);
        // What follows the job must fit in before the deadline, if anyone can do that.
        var latest = deadline - TailOf(job);
        if (now + LeastSeconds(job) > latest || state.RunningCount == 0) latest = double.PositiveInfinity;
        if (state.ExcludedBuilders.ContainsKey(job))
        {
            for (var b = 0; b < state.Builders.Length; b++)
            {
                if (state.MayTake(b, job)) Consider(job, b, now, mayWait, latest, ref best);
            }
            return best;
        }
        // Ties go to where its output is needed.
        if (SparesLinks && state.Families.HomeOf(job) is var home and >= 0 && state.MayTake(home, job)) Consider(job, home, now, mayWait, latest, ref best);
        foreach (var kind in state.Kinds.KindsOf(state.Classes[job])) Consider(job, FirstOf(kind, now), now, mayWait, latest, ref best);
        // Where its inputs were made is worth a look as well: nothing needs to move.
        foreach (var dependency in state.Graph.DependenciesOf(job))
        {
            var maker = state.MadeOn[dependency];
            if (maker >= 0 && state.MayTake(maker, job)) Consider(job, maker, now, mayWait, latest, ref best);
        }
        return best;
    }

    /// <summary>
    /// Stock Nix: the least load ÷ speed, then the larger speed, then the least load, over the remote builders with a free slot; the local
    /// one when there is none. Hydra: the same over all, load ÷ speed rounded to a whole number.
    /// </summary>
    private Place ByLoad(int job, double now)
    {
        var isHydra = heuristic.Rule == PlacementRule.Hydra;
        var (best, bestRank) = (-1, (IsLocal: true, Load: 0.0, Speed: 0.0, Running: 0));
        for (var b = 0; b < state.Builders.Length; b++)
        {
            var builder = state.Builders[b];
            if (builder.FreeSlots == 0 || !state.MayTake(b, job)) continue;
            var running = builder.MaxJobs - builder.FreeSlots;
            var speed = state.SpeedOf(b, job);
            var rank = (!isHydra && builder.Description.IsLocal, isHydra ? Math.Round(running / speed) : running / speed, -speed, running);
            if (best < 0 || rank.CompareTo(bestRank) < 0) (best, bestRank) = (b, rank);
        }
        if (best < 0) return new Place(-1, 0, double.PositiveInfinity);
        var start = Math.Max(now, InputsAt(job, best, now)) + options.StartOverhead;
        return new Place(best, start, start + state.Estimates[job].Seconds / state.SpeedOf(best, job));
    }

    /// <summary>The builder of a kind that is free first, late jobs foreseen anew.</summary>
    private int FirstOf(int kind, double now)
    {
        while (true)
        {
            var earliest = state.Kinds.FirstOf(kind);
            var builder = state.Builders[earliest];
            if (builder.FreeSlots > 0 || builder.Key > now || builder.Slots.Length == 0) return earliest;
            Foresee(earliest, builder.EarliestSlot(), now);
        }
    }

    private void Foresee(int builder, int slot, double now)
    {
        var entry = state.Builders[builder].Slots[slot];
        var scale = CoreFactor(entry.Job, builder, slot) / state.SpeedOf(builder, entry.Job);
        var expected = state.Estimates[entry.Job].ExpectedSeconds(Math.Max(0, now - entry.StartedAt) / scale) * scale;
        state.SetFreeAt(builder, slot, Math.Max(entry.StartedAt + expected, now + Math.Max(LeastDelay, 0.03 * (now - entry.StartedAt))));
    }

    private void Consider(int job, int b, double now, bool mayWait, double latest, ref Place best)
    {
        var builder = state.Builders[b];
        if (builder.Slots.Length == 0) return;
        if (!state.Kinds.Scarce.IsOpen(b, state.Classes[job])) return;
        if (heuristic.Guards && IsGuarded(job, b, now)) return;
        if (!mayWait && builder.FreeSlots == 0) return;
        ConsiderFrom(job, b, builder.FreeSlots > 0 ? now : Math.Max(now, builder.Key), now, latest, ref best);
    }

    private void ConsiderFrom(int job, int b, double free, double now, double latest, ref Place best)
    {
        var start = Math.Max(free, InputsAt(job, b, now)) + options.StartOverhead;
        var finish = start + state.Estimates[job].MeanSeconds / state.SpeedOf(b, job);
        if (options.Moldable) finish = start + (finish - start) * CoreFactorOf(job, CoresFor(job, b));
        // Later than it should be is still best on the fastest: there the job keeps its place in the queue.
        if (finish > latest && state.SpeedOf(b, job) < NearlyBest * state.BestSpeedOf(job))
        {
            if (best.Builder < 0) best = best with { IsTooLate = true };
            return;
        }
        if (finish < best.Finish) best = new Place(b, start, finish);
    }

    /// <summary>Whether the builder's last fast slot is kept from this job: it is long, and the critical path does not hang on it.</summary>
    private bool IsGuarded(int job, int b, double now)
    {
        var builder = state.Builders[b];
        if (builder.FreeSlots != 1 || state.RunningCount == 0) return false;
        var (speed, horizon) = (state.SpeedOf(b, job), runEnd - now);
        return speed >= NearlyBest * state.BestSpeedOf(job)
            && state.Estimates[job].Seconds / speed > GuardedPart * horizon
            && state.Order.Key[job] < CriticalPart * horizon
            && state.Kinds.HasOneFreeSlot(builder.Kind);
    }

    /// <summary>When all inputs of the job can be at the builder.</summary>
    private double InputsAt(int job, int b, double now)
    {
        if (state.PreparedOn[job] == b) return state.InputsAt[job];
        var bandwidth = state.Builders[b].Description.DownloadBandwidth;
        var seconds = double.IsInfinity(bandwidth) ? 0 : state.Graph[job].ExternalInputBytes / bandwidth;
        foreach (var dependency in state.Graph.DependenciesOf(job))
        {
            if (state.Locations.Has(dependency, b)) continue;
            var maker = state.MadeOn[dependency];
            var slower = maker < 0 ? bandwidth : Math.Min(bandwidth, state.Builders[maker].Description.UploadBandwidth);
            if (!double.IsInfinity(slower)) seconds += state.OutputBytes[dependency] / slower;
        }
        return seconds == 0 ? now : Math.Max(now, state.Builders[b].DownlinkFree) + seconds;
    }

    private void WakeUpAt(double time)
    {
        if (time < double.PositiveInfinity && !(NextWakeup <= time)) NextWakeup = time;
    }

    private void NoteTransfer(int job, int b, double now)
    {
        if (state.PreparedOn[job] == b) return;
        var at = InputsAt(job, b, now);
        state.PreparedOn[job] = b;
        state.InputsAt[job] = at;
        if (at > now) state.Builders[b].DownlinkFree = at;
    }

    private int CoresFor(int job, int b)
    {
        var builder = state.Builders[b];
        if (!options.Moldable) return Math.Max(1, builder.Description.TotalCores / Math.Max(1, builder.MaxJobs));
        if (!state.Graph[job].EnableParallelBuilding) return 1;
        // A busy builder gives what it gives on average; a free one shares its free cores among the jobs that may come now.
        if (builder.FreeSlots == 0) return Math.Max(1, builder.Description.TotalCores / builder.MaxJobs);
        var sharers = Math.Clamp(state.ReadyCount, 1, builder.FreeSlots);
        var most = Math.Clamp(builder.FreeCores - (sharers - 1), 1, builder.Description.MostCores);
        // On the critical path every second counts: the others make do with one core each.
        return state.Order.Key[job] >= CriticalPart * (runEnd - lastDecision) ? most : Math.Clamp(builder.FreeCores / sharers, 1, most);
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Place(int Builder, double Start, double Finish, bool IsTooLate = false);
}
