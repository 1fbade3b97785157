namespace NixBuildFarm.Scheduling.Playing;

/// <summary>
/// Every single heuristic is badly wrong on some graph. So a few are played to the end, from the present state and with present estimates,
/// and the one that ends first is followed; again when what was learnt since, or the farm, differs enough from what was thought. Where the
/// estimates are vague, each is played in several worlds whose durations are drawn from them: a way that is good only if all guesses are
/// right loses to one that forgives. The work is limited in jobs played, never in time, so that the same input yields the same plan on any
/// machine.
/// </summary>
internal sealed class Portfolio(Scheduler scheduler)
{
    /// <summary>
    /// Jobs played for one plan: many variants for a small graph, none for one so large that only a couple could be tried.
    /// </summary>
    private const int JobsPerPlan = 300_000;

    /// <summary>Plays for one plan at most: a small graph has no use for more.</summary>
    private const int MaxPlays = 36;

    /// <summary>Fewer than these teach nothing: the first of them is what is followed anyway.</summary>
    private const int LeastPlays = 4;

    /// <summary>Jobs played in a run beyond the first plan, for a graph of any size.</summary>
    private const int JobsForNewPlans = 900_000;

    /// <summary>
    /// Jobs played for each job of the graph, and for each second of the run and of the work that is left, at most: planning stays a small
    /// part of the time that building takes, also where builds are over in no time. A job played takes some ten microseconds.
    /// </summary>
    private const int JobsForEachJob = 100, JobsForEachSecond = 500;

    /// <summary>Variants played side by side; a number of its own, since the plan must not depend on the machine's processors.</summary>
    private const int AtATime = 2;

    /// <summary>Worlds that each variant is played in where estimates are vague.</summary>
    private const int MaxWorlds = 4;

    /// <summary>Estimates of a smaller spread, on the average of all work, are as good as known.</summary>
    private const double VagueSpread = 0.05;

    /// <summary>A new plan is worth its while when estimates were wrong by this part of the work that is left.</summary>
    private const double WorthPlanning = 0.05;

    /// <summary>A plan within this factor of the bound is good enough.</summary>
    private const double GoodEnough = 1.002;

    private static readonly Heuristic[] Basic =
    [
        new() { Reserve = 0.8 },
        new() { Reserve = 1, Waits = false, Deadline = 1 },
        new() { Reserve = 0.8, Deadline = 1 },
        new() { Reserve = 0.8, Guards = true },
        new() { Reserve = 0, Waits = false },
        new() { Reserve = 1, Deadline = 1, Guards = true },
        new() { Reserve = 0.8, Waits = false, Guards = true },
        new() { Reserve = 0.6, Deadline = 1.03 },
        new() { Reserve = 0 },
    ];

    private double surprise = double.PositiveInfinity;
    private int played;

    /// <summary>Jobs played until now.</summary>
    public int Played => played;

    /// <summary>Something was otherwise than thought, by so many seconds.</summary>
    public void Surprise(double seconds) => surprise += seconds;

    /// <summary>Plans anew where that is due.</summary>
    public void Reconsider(double now)
    {
        if (scheduler.Remaining == 0) return;
        var left = scheduler.State.RemainingWork.Sum();
        if (surprise < WorthPlanning * left) return;
        var worth = Math.Min((double)JobsForEachJob * scheduler.Graph.Count, JobsForEachSecond * left) + JobsForEachSecond * now;
        var budget = Math.Min(JobsPerPlan + JobsForNewPlans, worth) - played;
        var plays = (int)Math.Min(MaxPlays, Math.Min(JobsPerPlan, budget) / scheduler.Remaining);
        if (plays < LeastPlays) return;
        surprise = 0;
        // Other ways to go come first: a second world is worth it once every basic heuristic has been played in one.
        var worlds = Worlds(Math.Min(MaxWorlds, plays / Basic.Length));
        scheduler.SwitchTo(Best(now, plays / worlds.Length, worlds));
    }

    /// <summary>The durations to play with: the estimates themselves, or several draws from what they leave open.</summary>
    private double[][] Worlds(int count)
    {
        var estimates = scheduler.State.Estimates.AsSpan(0, scheduler.Graph.Count).ToArray();
        var (seconds, open) = (0.0, 0.0);
        for (var job = 0; job < estimates.Length; job++)
        {
            if (!scheduler.State.IsUnsettled(job)) continue;
            seconds += estimates[job].Seconds;
            open += estimates[job].Seconds * estimates[job].Spread;
        }
        if (count < 2 || open <= VagueSpread * seconds) return [Array.ConvertAll(estimates, e => e.Seconds)];
        return [.. Enumerable.Range(0, count).Select(world =>
        {
            var random = new Random(scheduler.Options.Seed * 1000 + world);
            return Array.ConvertAll(estimates, e => e.Seconds * Math.Exp(e.Spread * NormalDistribution.Draw(random)));
        })];
    }

    private Heuristic Best(double now, int variants, double[][] worlds)
    {
        // In worlds of their own the bound is not that of the estimates.
        var goal = worlds.Length == 1 ? LeastTime(now) * GoodEnough : 0;
        var (best, least) = (scheduler.Heuristic, double.PositiveInfinity);
        // What is followed now has the first chance: the plan changes only for something better.
        var known = Basic.Prepend(scheduler.Heuristic).Distinct().ToArray();
        for (var i = 0; i < variants && least > goal; i += AtATime)
        {
            var candidates = Enumerable.Range(i, Math.Min(AtATime, variants - i)).Select(Candidate).ToArray();
            var plays = new (double Seconds, int Jobs)[candidates.Length];
            Parallel.For(0, candidates.Length, c => plays[c] = Play(candidates[c], now, worlds, least));
            for (var c = 0; c < candidates.Length; c++)
            {
                played += plays[c].Jobs;
                if (plays[c].Seconds < least) (best, least) = (candidates[c], plays[c].Seconds);
            }
        }
        return best;

        Heuristic Candidate(int i) =>
            i < known.Length ? known[i] : best with { Noise = i % 2 == 0 ? 0.1 : 0.3, Seed = scheduler.Options.Seed * 1000 + i };
    }

    /// <summary>Plays a heuristic in all worlds, as long as it may still take less than the best so far.</summary>
    /// <returns>Seconds that it takes, over all worlds, and jobs played.</returns>
    private (double Seconds, int Jobs) Play(Heuristic candidate, double now, double[][] worlds, double least)
    {
        var (total, jobs) = (0.0, 0);
        for (var world = 0; world < worlds.Length && total < least; world++)
        {
            jobs += scheduler.Remaining;
            total += new FarmSimulator(scheduler.Fork(candidate), now, worlds[world]).Play(limit: now + least - total) - now;
        }
        return (total, jobs);
    }

    /// <summary>No plan can take less: the longest chain that has not begun, or the work that is left.</summary>
    private double LeastTime(double now)
    {
        var longest = 0.0;
        foreach (var queue in scheduler.State.Queues)
        {
            if (queue.Count > 0) longest = Math.Max(longest, scheduler.RankOf(queue.First));
        }
        foreach (var builder in scheduler.State.Builders)
        {
            foreach (var slot in builder.Slots)
            {
                if (slot.Job >= 0) longest = Math.Max(longest, scheduler.RankOf(slot.Job) - Math.Max(0, now - slot.StartedAt));
            }
        }
        return Math.Max(longest, scheduler.State.RemainingWork.Sum() / scheduler.State.Groups.TotalCapacity);
    }
}
