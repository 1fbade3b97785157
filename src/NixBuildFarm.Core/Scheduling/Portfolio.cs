using NixBuildFarm.Simulation;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// Every single heuristic is badly wrong on some graph. So a few are played to the end, from the present state and with present estimates,
/// and the one that ends first is followed; again when what was learnt since, or the farm, differs enough from what was thought. The work
/// is limited in jobs played, never in time, so that the same input yields the same plan on any machine.
/// </summary>
internal sealed class Portfolio(Scheduler scheduler)
{
    /// <summary>Jobs played for one plan: many variants for a small graph, none for one so large that only a couple could be tried.</summary>
    private const int JobsPerPlan = 200_000;

    /// <summary>Plays for one plan at most.</summary>
    private const int MaxVariants = 32;

    /// <summary>Fewer than these teach nothing: the first of them is what is followed anyway.</summary>
    private const int LeastVariants = 3;

    /// <summary>Jobs played in a run beyond the first plan, for a graph of any size.</summary>
    private const int JobsForNewPlans = 400_000;

    /// <summary>A new plan is worth its while when estimates were wrong by this part of the work that is left.</summary>
    private const double WorthPlanning = 0.05;

    /// <summary>A plan within this factor of the bound is good enough.</summary>
    private const double GoodEnough = 1.002;

    private static readonly Heuristic[] Basic =
    [
        new() { Reserve = 0.8 },
        new() { Reserve = 0.8, Guards = true },
        new() { Reserve = 0.8, Deadline = 1 },
        new() { Reserve = 1, Deadline = 1, Guards = true },
        new() { Reserve = 0.8, Waits = false, Guards = true },
        new() { Reserve = 0, Waits = false },
        new() { Reserve = 0.6, Deadline = 1.03 },
        new() { Reserve = 0 },
        new() { Reserve = 1, Waits = false, Deadline = 1 },
    ];

    private double surprise = double.PositiveInfinity;
    private int budget = JobsForNewPlans + JobsPerPlan;

    /// <summary>Something was otherwise than thought, by so many seconds.</summary>
    public void Surprise(double seconds) => surprise += seconds;

    /// <summary>Plans anew where that is due.</summary>
    public void Reconsider(double now)
    {
        if (scheduler.Remaining == 0) return;
        var left = scheduler.State.RemainingWork.Sum();
        if (surprise < WorthPlanning * left) return;
        surprise = 0;
        var variants = Math.Min(MaxVariants, Math.Min(JobsPerPlan, budget) / scheduler.Remaining);
        if (variants < LeastVariants) return;
        scheduler.Follow(Best(now, variants));
    }

    private Heuristic Best(double now, int variants)
    {
        var seconds = Array.ConvertAll(scheduler.State.Estimates, e => e.Seconds);
        var goal = now + (LeastTime(now) * GoodEnough);
        var (best, bestEnd) = (scheduler.Heuristic, double.PositiveInfinity);
        // What is followed now has the first chance: the plan changes only for something better.
        var known = Basic.Prepend(scheduler.Heuristic).Distinct().ToArray();
        for (var i = 0; i < variants && bestEnd > goal; i++)
        {
            var candidate = i < known.Length ? known[i] : best with { Noise = i % 2 == 0 ? 0.1 : 0.3, Seed = scheduler.Options.Seed * 1000 + i };
            budget -= scheduler.Remaining;
            var end = new FarmSimulator(scheduler.Fork(candidate), now, seconds).Play(limit: bestEnd);
            if (end < bestEnd) (best, bestEnd) = (candidate, end);
        }
        return best;
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
        return Math.Max(longest, scheduler.State.RemainingWork.Sum() / scheduler.State.Kinds.TotalCapacity);
    }
}
