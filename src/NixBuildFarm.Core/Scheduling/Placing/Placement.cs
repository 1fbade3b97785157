using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling.Placing;

/// <summary>
/// Takes the ready jobs in order of rank and gives each to the builder that its rule chooses. Where that is a builder that is busy, the
/// job waits for it, and the place is kept in mind while the jobs of lower rank are placed.
/// </summary>
internal sealed class Placement
{
    /// <summary>
    /// Jobs of one queue that may decide to wait in one decision: a bound for the work of one event. Those after them take what is idle.
    /// </summary>
    private const int MaxWaiting = 64;

    /// <summary>Jobs that are passed over in one decision since there is no memory or space for them: a bound as well.</summary>
    private const int MaxPassedOver = 16;

    /// <summary>Slots that are shared by three or more do not add up exactly.</summary>
    private const double SameShare = 1e-9;

    private readonly SchedulingState state;
    private readonly PlacingContext context;
    private readonly SlotForecast slots;
    private readonly MemoryHolds memory;
    private readonly EarliestFinish earliestFinish;
    private readonly LeastLoad leastLoad;
    private readonly Prefetching prefetching;
    private readonly Hedging hedging;
    private readonly List<(int Builder, int Slot, double FreeAt)> reserved = [];
    private readonly List<int> waiting = [];
    private readonly HashSet<int> reportedNoBuilder = [];
    private QueueTurn[] turns = [];

    public Placement(SchedulingState state, SchedulerOptions options, Heuristic heuristic)
        : this(new PlacingContext(state, options, heuristic))
    {
    }

    private Placement(PlacingContext context)
    {
        this.context = context;
        state = context.State;
        slots = new(context);
        memory = new(context, slots);
        earliestFinish = new(context, slots, memory);
        leastLoad = new(context);
        prefetching = new(context, earliestFinish);
        hedging = new(context);
    }

    /// <summary>When a decision may change although nothing happens.</summary>
    public double? NextWakeup => context.NextWakeup;

    /// <summary>What helpers are expected to bring.</summary>
    public SharingForecast Sharing => context.Sharing;

    private bool IsEarliestFinish => context.Heuristic.Rule == PlacementRule.EarliestFinish;

    /// <summary>The same knowledge, on a copy of the state and with another heuristic.</summary>
    public Placement Fork(SchedulingState copy, SchedulerOptions options, Heuristic heuristic)
    {
        var fork = new Placement(context.Fork(copy, options, heuristic));
        fork.hedging.CopyFrom(hedging);
        fork.reportedNoBuilder.UnionWith(reportedNoBuilder);
        return fork;
    }

    /// <summary>Goes on with another heuristic.</summary>
    public void SwitchTo(Heuristic other) => context.Heuristic = other;

    public void Decide(double now, List<SchedulingDecision> decisions)
    {
        context.Begin(now);
        PlaceReady(now, decisions);
        if (state.RunningCount == 0 && state.ReadyCount > 0)
        {
            // Nothing runs, so nothing would ever change: a job that has failed elsewhere may have only a builder that is kept for others.
            Requeue();
            state.Groups.Scarce.ComputeShares(state.RemainingWork, double.PositiveInfinity);
            PlaceReady(now, decisions);
        }
        if (IsEarliestFinish) prefetching.Decide(now, decisions);
        var isQuiet = context.Options.Hedge && state.ReadyCount == 0;
        Requeue();
        for (var i = reserved.Count - 1; i >= 0; i--) state.SetFreeAt(reserved[i].Builder, reserved[i].Slot, reserved[i].FreeAt);
        reserved.Clear();
        memory.Clear();
        if (isQuiet && state.RunningCount > 0) hedging.Decide(now, decisions);
    }

    /// <summary>The build itself begins, so its inputs are there.</summary>
    public void Begin(int job, int builder, double now)
    {
        slots.Begin(job, builder, now);
        foreach (var dependency in state.Graph.DependenciesOf(job)) state.Locations.Add(dependency, builder);
    }

    public void InputsArrived(int job, int builder, double now)
    {
        foreach (var dependency in state.Graph.DependenciesOf(job)) state.Locations.Add(dependency, builder);
        state.Transfers.Arrived(job, builder, now);
    }

    public void EstimateChanged(int job, double now) => slots.EstimateChanged(job, now);

    public void FarmChanged() => reportedNoBuilder.Clear();

    public bool IsHedged(int job) => hedging.IsHedged(job);

    public void EndHedge(int job) => hedging.Forget(job);

    private Place Best(int job, double now, bool mayWait) =>
        ((IPlacementRule)(IsEarliestFinish ? earliestFinish : leastLoad)).Best(job, now, mayWait);

    private void PlaceReady(double now, List<SchedulingDecision> decisions)
    {
        Array.Resize(ref turns, state.Queues.Count);
        Array.Fill(turns, new QueueTurn(context.Heuristic.Waits ? MaxWaiting : 0));
        if (state.Shares.AreNeeded) state.Shares.Count();
        var (postponements, passedOver) = (MaxWaiting, 0);
        for (var next = NextJob(); next >= 0; next = NextJob())
        {
            ref var turn = ref turns[state.QueueOf(next)];
            var place = Best(next, now, turn.MayWait);
            if (place.Exists && !place.Waits)
            {
                decisions.Add(StartJobOrSibling(next, place, now, turn.MayWait));
            }
            else if (place.Exists)
            {
                ReserveAndWait(next, place, now);
                turn.Patience--;
            }
            else if (place.IsTooLate)
            {
                SetAside(next);
                turn.Patience = Math.Max(0, turn.Patience - 1);
                if (--postponements <= 0) turn.IsOver = true;
            }
            else if (place.LacksRoom && passedOver < MaxPassedOver)
            {
                SetAside(next);
                passedOver++;
            }
            else if (IsPossible(next))
            {
                // All that is idle is kept for other jobs, or closed to this one: so it is for the rest of its queue.
                turn.IsOver = true;
            }
            else
            {
                SetAside(next);
                if (reportedNoBuilder.Add(next)) decisions.Add(new SchedulingDecision.NoBuilder(next));
            }
        }
    }

    /// <summary>The ready job that is placed next: one for which a builder is idle; −1: there is none.</summary>
    private int NextJob() => state.Shares.AreNeeded ? NextOfUsers() : MostUrgent(0, -1);

    /// <summary>The most urgent job of the user who has the fewest slots; among equals, of the one whose job has the higher rank.</summary>
    private int NextOfUsers()
    {
        var (shares, best, fewest) = (state.Shares, -1, double.PositiveInfinity);
        for (var user = 0; user < shares.Users; user++)
        {
            var taken = shares.SlotsOf(user);
            if (taken > fewest + SameShare) continue;
            var job = -1;
            foreach (var party in shares.PartiesOf(user)) job = MostUrgent(party, job);
            if (job < 0) continue;
            if (best >= 0 && taken >= fewest - SameShare && state.Order.Key[job] <= state.Order.Key[best]) continue;
            (best, fewest) = (job, taken);
        }
        return best;
    }

    /// <summary>The most urgent of a job and of the ready ones of a set of users for which a builder is idle; −1: there is none.</summary>
    private int MostUrgent(int party, int best)
    {
        var first = party * state.Classes.Count;
        for (var c = 0; c < state.Classes.Count; c++)
        {
            var queue = state.Queues[first + c];
            if (queue.Count == 0 || turns[first + c].IsOver) continue;
            // A class that no builder may take is looked at too, to say so.
            if (state.Groups.GroupsOf(c).Length > 0 && !state.Groups.HasIdle(c)) continue;
            if (best < 0 || state.Order.IsBefore(queue.First, best)) best = queue.First;
        }
        return best;
    }

    private bool IsPossible(int job)
    {
        if (!state.ExcludedBuilders.ContainsKey(job)) return state.Groups.GroupsOf(state.Classes[job]).Length > 0;
        return Array.IndexOf(state.BuildersFor(job), true) >= 0;
    }

    /// <summary>Starts a job, or in its place an equal one whose output is needed together with what is built there.</summary>
    private SchedulingDecision.Start StartJobOrSibling(int job, Place place, double now, bool mayWait)
    {
        if (!context.SparesLinks) return Start(job, place, now);
        var sibling = state.Families.BetterSibling(job, place.Builder);
        if (sibling >= 0 && Best(sibling, now, mayWait) is { Waits: false } other && other.Builder == place.Builder)
        {
            (job, place) = (sibling, other);
        }
        state.Families.Claim(job, place.Builder);
        return Start(job, place, now);
    }

    private SchedulingDecision.Start Start(int job, Place place, double now)
    {
        var cores = context.CoresFor(job, place.Builder);
        var reason = ReasonFor(job, place.Builder);
        state.Transfers.Book(job, place.Builder, now);
        memory.Start(job, place.Builder, place.Finish);
        state.Take(job, place.Builder, Math.Max(now, place.Start), place.Finish, cores);
        if (state.Shares.AreNeeded) state.Shares.Take(job, state.Builders[place.Builder], cores);
        return new SchedulingDecision.Start(job, place.Builder, cores, place.Finish, reason);
    }

    private PlacementReason ReasonFor(int job, int builder)
    {
        if (!IsEarliestFinish) return PlacementReason.Rule;
        if (state.IsTooLargeFor(builder, job)) return PlacementReason.MostMemory;
        if (!state.HasSpaceFor(job, builder)) return PlacementReason.MostSpace;
        var groups = state.Groups.GroupsOf(state.Classes[job]);
        if (groups.Length == 1 && state.Groups.MembersOf(groups[0]).Length == 1) return PlacementReason.OnlyChoice;
        return turns[state.QueueOf(job)].MayWait ? PlacementReason.EarliestFinish : PlacementReason.FreeNow;
    }

    /// <summary>The job waits for a builder that is busy; its slot and its memory count as taken until the end of this decision.</summary>
    private void ReserveAndWait(int job, Place place, double now)
    {
        SetAside(job);
        var builder = state.Builders[place.Builder];
        if (!builder.HasMemoryFor(state.NeedOf(job, place.Builder))) context.WakeUpAt(memory.Hold(job, place.Builder, now));
        if (builder.FreeSlots == 0)
        {
            var slot = builder.EarliestSlot();
            var freeAt = builder.Slots[slot].FreeAt;
            if (freeAt > now) context.WakeUpAt(freeAt);
            reserved.Add((place.Builder, slot, freeAt));
            state.SetFreeAt(place.Builder, slot, place.Finish);
        }
        if (state.Shares.AreNeeded) state.Shares.Take(job, builder, cores: 1);
    }

    private void SetAside(int job)
    {
        state.Dequeue(job);
        waiting.Add(job);
    }

    private void Requeue()
    {
        foreach (var job in waiting) state.Enqueue(job);
        waiting.Clear();
    }

    /// <summary>What the jobs of a queue may still do in one decision.</summary>
    /// <param name="patience">Jobs of it that may still decide to wait.</param>
    private struct QueueTurn(int patience)
    {
        public int Patience = patience;

        /// <summary>No more jobs of it are looked at.</summary>
        public bool IsOver;

        public readonly bool MayWait => Patience > 0 && !IsOver;
    }
}
