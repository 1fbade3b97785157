using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling;

public class LowerBoundTests
{
    private static LowerBound Bound(Job[] jobs, FarmBuilder[] farm, params double[] seconds) =>
        LowerBound.Of(new JobGraph(jobs), farm, seconds);

    [Fact]
    public void A_chain_takes_its_length_at_the_fastest_speed() =>
        Assert.Equal(15, Bound([Job("a"), Job("b", 0)], [Local(speed: 2), Builder("slow", 9)], 10, 20).Seconds, 1e-9);

    [Fact]
    public void Work_cannot_end_sooner_than_the_slots_can_do_it() =>
        Assert.Equal(20, Bound([Job("a"), Job("b"), Job("c"), Job("d")], [Local(2)], 10, 10, 10, 10).Seconds, 1e-9);

    [Fact]
    public void Work_that_only_some_builders_may_take_is_bound_by_these() =>
        Assert.Equal(
            30,
            Bound(
                Enumerable.Range(0, 3).Select(i => Job($"t{i}") with { RequiredFeatures = ["kvm"] }).ToArray(),
                [Builder("kvm", features: "kvm"), Builder("big", 100)],
                10,
                10,
                10)
                .Seconds,
            1e-9);

    [Fact]
    public void Builders_that_only_help_with_compiles_count_where_these_are_shared()
    {
        Job[] jobs = [.. Enumerable.Range(0, 3).Select(i => Job($"t{i}") with { RequiredFeatures = ["kvm"] })];
        FarmBuilder[] farm = [Builder("kvm", features: "kvm"), Builder("big", 100)];

        LowerBound Bound(double share) => LowerBound.Of(
            new JobGraph(jobs), farm, [10, 10, 10], compiles: [.. jobs.Select(_ => new CompileEstimate(share, 1000))]);

        Assert.Equal(30, Bound(share: 0).Seconds, 1e-9);
        Assert.InRange(Bound(share: 1).Seconds, 0, 10);
    }

    [Fact]
    public void Work_cannot_end_sooner_than_the_memory_allows()
    {
        Job[] jobs = [.. Enumerable.Range(0, 8).Select(i => Job($"j{i}"))];
        FarmBuilder[] farm = [Local(8) with { Memory = 10 }, Builder("small", 8) with { Memory = 2 }];

        LowerBound Bound(long need) => LowerBound.Of(
            new JobGraph(jobs), farm, [.. jobs.Select(_ => 10.0)], needs: [.. jobs.Select(_ => need)]);

        Assert.Equal(8 * 10 * 2 / 12.0, Bound(need: 2).Memory, 1e-9);
        // Nothing of this is small enough for the other builder, and no two of it fit.
        Assert.Equal(80, Bound(need: 6).Seconds, 1e-9);
        // What fits nowhere has the largest one to itself.
        Assert.Equal(80, Bound(need: 60).Seconds, 1e-9);
        Assert.Equal(0, Bound(need: 0).Memory);
    }

    [Fact]
    public void The_chains_before_and_after_a_crowd_add_to_its_bound()
    {
        Job[] jobs = [Job("head"), .. Enumerable.Range(1, 8).Select(i => Job($"m{i}", 0)), Job("tail", 1, 2, 3, 4, 5, 6, 7, 8)];

        var bound = Bound(jobs, [Local(2)], [10, .. Enumerable.Repeat(5.0, 8), 10]);

        Assert.Equal(25, bound.CriticalPath, 1e-9);
        Assert.Equal(40, bound.HeadAndTail, 1e-9);
        Assert.Equal(40, bound.Seconds, 1e-9);
    }

    [Fact]
    public void Of_all_heads_and_tails_those_count_that_leave_the_least_time()
    {
        var random = new Random(1);
        for (var world = 0; world < 200; world++)
        {
            var count = 1 + random.Next(12);
            double[] Some() => [.. Enumerable.Range(0, count).Select(_ => (double)random.Next(6))];
            var (head, tail, time) = (Some(), Some(), Some());
            var some = Enumerable.Range(0, count).Where(_ => random.Next(4) > 0).ToArray();
            var largest = (
                from r in head
                from q in tail
                let between = some.Where(job => head[job] >= r && tail[job] >= q && time[job] > 0).ToArray()
                where between.Length > 0
                select r + between.Sum(job => time[job]) + q).DefaultIfEmpty(0).Max();

            Assert.Equal(largest, new HeadAndTailBound(head, tail).Of(some.Contains, job => time[job]), 1e-9);
        }
    }

    [Fact]
    public void The_best_of_all_schedules_of_a_few_jobs_is_not_below_the_bound()
    {
        var random = new Random(2);
        var tight = 0;
        for (var world = 0; world < 300; world++)
        {
            int[] Some(int before) => [.. Enumerable.Range(0, before).Where(_ => random.Next(3) == 0)];
            Job[] jobs =
            [
                .. Enumerable.Range(0, 2 + random.Next(4))
                    .Select(i => Job($"j{i}", Some(i)) with { RequiredFeatures = random.Next(3) == 0 ? ["kvm"] : [] }),
            ];
            FarmBuilder[] farm =
            [
                Builder("kvm", 1 + random.Next(2), 0.5 + random.NextDouble(), "kvm"), Builder("other", 1, 0.5 + random.NextDouble()),
            ];
            double[] seconds = [.. jobs.Select(_ => 1.0 + random.Next(9))];

            var (bound, best) = (Bound(jobs, farm, seconds).Seconds, BestMakespan(jobs, farm, seconds));

            Assert.True(bound <= best + 1e-9, $"world {world}: the bound is {bound}, and {best} is possible");
            if (bound > best - 1e-9) tight++;
        }
        Assert.True(tight > 30, $"The bound was reached {tight} times.");
    }

    /// <summary>Tries every order of the jobs and every slot for each: some such list gives the shortest schedule.</summary>
    private static double BestMakespan(Job[] jobs, FarmBuilder[] farm, double[] seconds)
    {
        int[] slots = [.. farm.SelectMany((builder, b) => Enumerable.Repeat(b, builder.MaxJobs))];
        bool[][] may = [.. jobs.Select(job => Eligibility.OnFarm(job, farm).Select(verdict => verdict.IsEligible).ToArray())];
        var (ends, free, best) = (new double?[jobs.Length], new double[slots.Length], double.PositiveInfinity);
        Place(left: jobs.Length, makespan: 0);
        return best;

        void Place(int left, double makespan)
        {
            if (left == 0) best = Math.Min(best, makespan);
            if (left == 0 || makespan >= best) return;
            for (var job = 0; job < jobs.Length; job++)
            {
                if (ends[job] is not null || jobs[job].Dependencies.Any(other => ends[other] is null)) continue;
                var ready = jobs[job].Dependencies.Max(other => ends[other]) ?? 0;
                for (var slot = 0; slot < slots.Length; slot++)
                {
                    var builder = farm[slots[slot]];
                    if (!may[job][slots[slot]]) continue;
                    var before = free[slot];
                    ends[job] = free[slot] = Math.Max(before, ready) + seconds[job] / builder.SpeedOf(X86);
                    Place(left - 1, Math.Max(makespan, free[slot]));
                    (ends[job], free[slot]) = (null, before);
                }
            }
        }
    }

    [Fact]
    public void More_cores_shorten_only_what_builds_in_parallel()
    {
        FarmBuilder[] farm = [Local() with { Cores = 16 }];

        Assert.Equal(10, LowerBound.Of(new JobGraph([Job("a")]), farm, [10], moldable: true).Seconds, 1e-9);
        Assert.InRange(
            LowerBound.Of(new JobGraph([Job("a") with { EnableParallelBuilding = true }]), farm, [10], moldable: true).Seconds, 3, 4);
    }
}
