using HelperState = NixBuildFarm.Scheduling.Lending.SharedBuild.HelperState;

namespace NixBuildFarm.Scheduling.Lending;

/// <summary>
/// Lends the slots that are free to the compiles of shared builds. Pure as the <see cref="Scheduler"/> beside which it stands: it learns by
/// <see cref="Apply(LendingEvent)"/> and from the scheduler's builders, and answers by <see cref="Decide"/>, which is called after each
/// <see cref="Scheduler.Decide"/> and after events of its own. A slot that the scheduler gives to a job is lent no more; what is in it then
/// ends within one compile, and the job waits for that (<see cref="Claim"/>).
/// </summary>
internal sealed class CompileLending(Scheduler scheduler)
{
    /// <summary>Failures in a row after which a helper compiles no more for a build.</summary>
    private const int MaxFailures = 3;

    private readonly LendingRules rules = new(scheduler.State, scheduler.Options);
    private readonly List<SharedBuild> builds = [];
    private readonly Dictionary<long, SharedBuild.Compile> compiles = [];
    private readonly List<LendingDecision> pending = [];
    private readonly Dictionary<int, List<int>> heldUp = [];
    private int[] lent = new int[scheduler.State.Builders.Length];

    /// <summary>Compiles that run on helpers.</summary>
    public int Loans => builds.Sum(build => build.Loans);

    /// <summary>Compiles that a builder does for others now.</summary>
    public int LentBy(int builder) => builder < lent.Length ? lent[builder] : 0;

    /// <summary>Compiles that a builder could take for others now, beside those that it does.</summary>
    public int FreePlaces(int builder)
    {
        var state = scheduler.State.Builders[builder];
        return state.Status == BuilderStatus.Online
            ? Math.Max(0, LendingRules.Places(state.Description, state.FreeSlots, state.FreeCores) - LentBy(builder))
            : 0;
    }

    /// <inheritdoc cref="LendingRules.MayBeHelped"/>
    public bool MayBeHelped(int job, int builder) => rules.MayBeHelped(job, builder);

    /// <inheritdoc cref="LendingRules.MayHelp(int, int, int)"/>
    public bool MayHelp(int job, int home, int helper) => rules.MayHelp(job, home, helper);

    /// <inheritdoc cref="LendingRules.MayHelp(int, int, FarmBuilder)"/>
    public bool MayHelp(int job, int home, FarmBuilder expected) => rules.MayHelp(job, home, expected);

    /// <inheritdoc cref="LendingRules.CoresToTell(int, int, int, IEnumerable{FarmBuilder})"/>
    public int CoresToTell(int job, int home, int homePlaces, params IEnumerable<FarmBuilder> expected) =>
        rules.CoresToTell(job, home, homePlaces, expected);

    /// <summary>A decision to start a job is carried out. To be called for each, before its build begins.</summary>
    /// <returns>Whether the build may begin as soon as its inputs are there; if not, <see cref="LendingDecision.Begin"/> says when it
    /// may.</returns>
    public bool Claim(int job, int builder)
    {
        if (heldUp.TryGetValue(builder, out var others)) others.RemoveAll(other => other == job || !scheduler.Runs(other, builder));
        if (LentBy(builder) == 0 || HasRoom(builder, others ?? [])) return true;
        if (others is null) heldUp.Add(builder, others = []);
        others.Add(job);
        return false;
    }

    /// <summary>Takes note of something that has happened.</summary>
    /// <exception cref="InvalidOperationException">A number is used a second time, or a builder does not exist.</exception>
    public void Apply(LendingEvent happened)
    {
        switch (happened)
        {
            case LendingEvent.BuildOpened e: Open(e); break;
            case LendingEvent.HelperReady e: Answer(e.Build, e.Helper, HelperState.Ready); break;
            case LendingEvent.HelperUnfit e: Answer(e.Build, e.Helper, HelperState.Unfit); break;
            case LendingEvent.CompileAsked e: Ask(e); break;
            case LendingEvent.LoanEnded e: End(e); break;
            case LendingEvent.CompileEnded e when compiles.TryGetValue(e.Compile, out var compile): Forget(compile); break;
            case LendingEvent.CompileEnded: break;
            case LendingEvent.BuildClosed e when Find(e.Build) is { } build: Close(build); break;
            case LendingEvent.BuildClosed: break;
            default: throw new InvalidOperationException($"The event {happened} is unknown.");
        }
    }

    /// <summary>Says what to do now. The decisions count as carried out.</summary>
    public IReadOnlyList<LendingDecision> Decide()
    {
        if (builds.Count == 0 && heldUp.Count == 0 && pending.Count == 0) return [];
        if (lent.Length < scheduler.State.Builders.Length) Array.Resize(ref lent, scheduler.State.Builders.Length);
        foreach (var build in builds.Where(build => !scheduler.Runs(build.Job, build.Home)).ToArray()) Close(build);
        TakeBackFromLost();
        LetBegin();
        foreach (var build in builds) Prepare(build);
        while (builds.OrderBy(build => build.Loans).Any(TryPlace))
        {
            // The build with the fewest loans has the next place.
        }
        LendingDecision[] decisions = [.. pending];
        pending.Clear();
        return decisions;
    }

    private void Open(LendingEvent.BuildOpened e)
    {
        if (Find(e.Build) is not null) throw new InvalidOperationException($"The event {e} cannot be: there is a build of that number.");
        // A job that is tried again where it was.
        if (builds.Find(build => build.Job == e.Job && build.Home == e.Home) is { } before) Close(before);
        builds.Add(new SharedBuild(e));
    }

    private void Answer(long number, int helper, HelperState state)
    {
        // A helper that was lost meanwhile has to be asked again; one that is unfit stays so.
        if (Find(number) is { } build && build.StateOf(helper) is HelperState.Preparing or HelperState.Ready) build.SetState(helper, state);
    }

    private void Ask(LendingEvent.CompileAsked e)
    {
        if (Find(e.Build) is not { } build) return;
        var compile = new SharedBuild.Compile(e.Compile, build);
        if (!compiles.TryAdd(e.Compile, compile))
        {
            throw new InvalidOperationException($"The event {e} cannot be: there is a compile of that number.");
        }
        (e.MayLeave ? build.Line : build.Stays).Enqueue(compile);
    }

    private void End(LendingEvent.LoanEnded e)
    {
        if (!compiles.TryGetValue(e.Compile, out var compile) || compile.Helper != e.Helper) return;
        TakeBack(compile, e.End);
        if (e.End == LoanEnd.Delivered) compiles.Remove(e.Compile);
        else compile.Build.Stays.Enqueue(compile);
    }

    private void TakeBack(SharedBuild.Compile compile, LoanEnd? end)
    {
        lent[compile.Helper]--;
        compile.Build.TakeBack(compile.Helper, end, MaxFailures);
        compile.Helper = -1;
    }

    /// <summary>Nobody waits for a compile any more.</summary>
    private void Forget(SharedBuild.Compile compile)
    {
        compiles.Remove(compile.Number);
        compile.HasEnded = true;
        if (compile.IsAtHome) compile.Build.AtHome--;
        if (compile.Helper < 0) return;
        pending.Add(new LendingDecision.Recall(compile.Number, compile.Helper));
        TakeBack(compile, end: null);
    }

    private void Close(SharedBuild build)
    {
        builds.Remove(build);
        foreach (var compile in compiles.Values.Where(compile => compile.Build == build).ToArray()) Forget(compile);
    }

    private void TakeBackFromLost()
    {
        for (var b = 0; b < lent.Length; b++)
        {
            if (scheduler.StatusOf(b) != BuilderStatus.Lost) continue;
            foreach (
                var compile in lent[b] == 0
                    ? []
                    : compiles.Values.Where(compile => compile.Helper == b).OrderBy(compile => compile.Number).ToArray())
            {
                TakeBack(compile, end: null);
                compile.Build.Stays.Enqueue(compile);
            }
            foreach (var build in builds) build.Forget(b);
        }
    }

    private void LetBegin()
    {
        foreach (var (builder, jobs) in heldUp.ToArray())
        {
            jobs.RemoveAll(job => !scheduler.Runs(job, builder));
            while (jobs.Count > 0 && HasRoom(builder, jobs[1..]))
            {
                pending.Add(new LendingDecision.Begin(jobs[0], builder));
                jobs.RemoveAt(0);
            }
            if (jobs.Count == 0) heldUp.Remove(builder);
        }
    }

    /// <summary>Whether what a builder has lent fits in beside the jobs that it was given, those that are still held up left out.</summary>
    private bool HasRoom(int builder, List<int> except)
    {
        var state = scheduler.State.Builders[builder];
        var cores = state.Description.TotalCores - state.CoresInUse + except.Sum(job => state.Slots[state.IndexOf(job)].Cores);
        var slots = Math.Min(state.MaxJobs - state.Running + except.Count, cores);
        return LentBy(builder) <= LendingRules.Places(state.Description, slots, cores);
    }

    /// <summary>Asks for helpers, best first, until those that have places now have as many as the build can use.</summary>
    private void Prepare(SharedBuild build)
    {
        var have = build.Helpers.Where(helper => helper.Value.State != HelperState.Unfit)
            .Sum(helper => FreePlaces(helper.Key) + helper.Value.Loans);
        if (have >= build.MostLoans) return;
        var candidates = Enumerable.Range(0, lent.Length)
            .Where(
                b =>
                    FreePlaces(b) > 0 && build.StateOf(b) is null && build.MayHelp(scheduler.DescriptionOf(b), b, () => IsUseful(build, b)))
            .OrderByDescending(b => rules.IsNative(build.Job, b))
            .ThenByDescending(b => scheduler.SpeedOf(b, build.Job))
            .ThenByDescending(FreePlaces);
        foreach (var helper in candidates.ToArray())
        {
            if (have >= build.MostLoans) return;
            build.SetState(helper, HelperState.Preparing);
            pending.Add(new LendingDecision.Prepare(build.Number, helper));
            have += FreePlaces(helper);
        }
    }

    private bool IsUseful(SharedBuild build, int helper) =>
        rules.MayHelp(build.Job, build.Home, helper) && !rules.IsFarSlower(build.Job, helper, build.Home);

    /// <summary>Gives the first compile that can have one a place.</summary>
    private bool TryPlace(SharedBuild build)
    {
        if (Next(build.Stays) is not null && build.HasHomePlace) return GoHome(build.Stays);
        if (Next(build.Line) is not { } compile) return false;
        var helper = BestHelper(build);
        if (build.HasHomePlace && (helper < 0 ? !WaitsForFaster(build) : !rules.IsFaster(build.Job, helper, build.Home)))
        {
            return GoHome(build.Line);
        }
        if (helper < 0) return false;
        build.Line.Dequeue();
        compile.Helper = helper;
        build.Lend(helper);
        lent[helper]++;
        pending.Add(new LendingDecision.Lend(compile.Number, helper));
        return true;
    }

    private bool GoHome(Queue<SharedBuild.Compile> line)
    {
        var compile = line.Dequeue();
        compile.IsAtHome = true;
        compile.Build.AtHome++;
        pending.Add(new LendingDecision.Home(compile.Number));
        return true;
    }

    /// <summary>The helper with a free place that is native and fastest, of equal ones that with most places; -1: none.</summary>
    private int BestHelper(SharedBuild build)
    {
        var best = -1;
        (bool IsNative, double Speed, int Places) most = default;
        foreach (var (b, helper) in build.Helpers)
        {
            if (helper.State != HelperState.Ready || FreePlaces(b) is not (> 0 and var places)
                || rules.IsFarSlower(build.Job, b, build.Home))
            {
                continue;
            }
            var worth = (rules.IsNative(build.Job, b), scheduler.SpeedOf(b, build.Job), places);
            if (best < 0 || worth.CompareTo(most) > 0) (best, most) = (b, worth);
        }
        return best;
    }

    /// <summary>Whether home is so slow that a compile does better to wait for a helper that works for the build now.</summary>
    private bool WaitsForFaster(SharedBuild build) =>
        build.Helpers.Any(
            helper => helper.Value is { Loans: > 0, State: HelperState.Ready } && rules.IsFarSlower(build.Job, build.Home, helper.Key));

    private static SharedBuild.Compile? Next(Queue<SharedBuild.Compile> line)
    {
        while (line.TryPeek(out var first))
        {
            if (!first.HasEnded) return first;
            line.Dequeue();
        }
        return null;
    }

    private SharedBuild? Find(long number) => builds.Find(build => build.Number == number);
}
