using NixBuildFarm.Scheduling;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling;

public class CommonFactorsTests
{
    private static readonly string[] Tabled = ["gcc", "llvm", "cmake", "openssl", "boost", "mesa", "perl", "glibc", "webkitgtk", "git"];

    private static Job Package(string name, string system = X86) => Job(name + "-1.0") with { PackageName = name, System = system };

    private static BuildObservation Build(string package, double seconds, string builder = "a", string system = X86) =>
        new() { Package = package, System = system, Builder = builder, Seconds = seconds, OutputBytes = 7 };

    private static double GuessOf(string package) => PackagePriors.For(Package(package)).Seconds;

    /// <summary>All packages of the list took so many times what was guessed.</summary>
    private static Estimator After(double factor, IEnumerable<string> packages, string builder = "a")
    {
        var estimator = new Estimator();
        foreach (var package in packages) estimator.Observe(Build(package, factor * GuessOf(package), builder));
        return estimator;
    }

    [Theory]
    [InlineData(3)]
    [InlineData(0.3)]
    public void Ten_builds_that_are_all_wrong_by_a_factor_change_what_is_believed_of_all_others(double factor)
    {
        var estimator = After(factor, Tabled);

        Assert.InRange(Math.Log(estimator.For(Package("firefox")).Seconds / GuessOf("firefox")) / Math.Log(factor), 0.85, 1.15);
        // Another kind of guess may be wrong by another factor.
        Assert.InRange(Math.Log(estimator.For(Package("frobnicate")).Seconds / GuessOf("frobnicate")) / Math.Log(factor), 0.4, 0.95);
    }

    [Fact]
    public void A_build_of_the_package_itself_counts_more_than_what_all_have_in_common()
    {
        var estimator = After(3, Tabled);
        estimator.Observe(Build("firefox", GuessOf("firefox")));

        Assert.InRange(estimator.For(Package("firefox")).Seconds / GuessOf("firefox"), 0.9, 1.5);
    }

    [Fact]
    public void The_spread_falls_as_builds_end()
    {
        var spreads = Enumerable.Range(0, Tabled.Length + 1)
            .Select(count => After(1.5, Tabled.Take(count)).For(Package("firefox")).WholeSpread).ToArray();

        Assert.True(spreads[0] > PackagePriors.For(Package("firefox")).Spread);
        Assert.All(spreads.Zip(spreads.Skip(1)), pair => Assert.True(pair.Second < pair.First));
        Assert.True(spreads[^1] < 0.7 * spreads[0]);
    }

    [Fact]
    public void What_all_guesses_may_be_wrong_by_is_told_apart_from_what_a_package_may_be()
    {
        var (before, after) = (After(1, []).For(Package("firefox")), After(1, Tabled).For(Package("firefox")));

        Assert.Equal(PackagePriors.For(Package("firefox")).Spread, before.Spread, 1e-9);
        Assert.InRange(before.CommonSpread, 0.5, 1);
        Assert.True(after.CommonSpread < 0.5 * before.CommonSpread);
        Assert.Equal(Math.Sqrt(Math.Pow(before.Spread, 2) + Math.Pow(before.CommonSpread, 2)), before.WholeSpread, 1e-9);
    }

    [Fact]
    public void A_package_that_was_built_has_little_in_common_with_guesses()
    {
        var estimator = new Estimator();
        for (var i = 0; i < 5; i++) estimator.Observe(Build("firefox", GuessOf("firefox")));

        Assert.True(estimator.For(Package("firefox")).CommonSpread < 0.1 * estimator.For(Package("llvm")).CommonSpread);
        Assert.Equal(0, estimator.For(Job("source.tar.gz") with { IsFixedOutput = true }).CommonSpread);
    }

    [Fact]
    public void Guesses_that_are_worse_than_they_are_said_to_be_have_a_larger_spread()
    {
        var (even, uneven) = (new Estimator(), new Estimator());
        for (var i = 0; i < 40; i++)
        {
            even.Observe(Build($"p{i}", GuessOf("p") * (i % 2 == 0 ? 1.2 : 0.8)));
            uneven.Observe(Build($"p{i}", GuessOf("p") * (i % 2 == 0 ? 6 : 1 / 6.0)));
        }

        Assert.True(uneven.For(Package("frobnicate")).Spread > 1.3 * even.For(Package("frobnicate")).Spread);
    }

    [Fact]
    public void One_package_that_is_built_again_and_again_tells_no_more_of_others_than_once()
    {
        var (once, often) = (After(3, ["gcc"]), After(3, Enumerable.Repeat("gcc", 50)));

        Assert.Equal(once.For(Package("firefox")).Seconds, often.For(Package("firefox")).Seconds, 1e-6);
    }

    [Fact]
    public void The_order_of_builds_makes_little_difference()
    {
        var random = new Random(1);
        var builds = Enumerable.Range(0, 120).Select(i => Build(
            i < 40 ? Tabled[i % Tabled.Length] : $"p{i}",
            (i < 40 ? GuessOf(Tabled[i % Tabled.Length]) : GuessOf("p")) * Math.Exp(0.7 + 0.5 * (random.NextDouble() - 0.5)),
            i % 3 == 0 ? "one" : "other")).ToArray();
        Estimator Learnt(int seed)
        {
            var estimator = new Estimator();
            var order = (BuildObservation[])builds.Clone();
            new Random(seed).Shuffle(order);
            foreach (var build in order) estimator.Observe(build);
            return estimator;
        }
        Estimator[] learnt = [.. Enumerable.Range(2, 8).Select(Learnt)];

        foreach (var package in new[] { "firefox", "frobnicate" })
        {
            double[] seconds = [.. learnt.Select(estimator => estimator.For(Package(package)).Seconds)];
            Assert.True(seconds.Max() / seconds.Min() < 1.35, string.Join(' ', seconds));
        }
    }

    [Fact]
    public void The_same_builds_teach_the_same() => Assert.Equal(
        After(2, Tabled).For(Package("firefox")), After(2, Tabled).For(Package("firefox")));

    [Fact]
    public void Builders_are_compared_by_what_both_have_built_and_not_by_guesses()
    {
        var estimator = new Estimator();
        for (var i = 0; i < 60; i++) estimator.Observe(Build($"p{i}", i % 2 == 0 ? 20 : 60, i % 2 == 0 ? "a" : "b"));
        Assert.Equal(1, estimator.SpeedOf(Builder("b"), X86), 0.001);

        for (var i = 0; i < 60; i += 2) estimator.Observe(Build($"p{i}", 60, "b"));

        Assert.InRange(estimator.SpeedOf(Builder("b"), X86), 0.28, 0.4);
    }

    [Fact]
    public void Builds_that_take_as_long_as_a_machine_needs_to_begin_tell_nothing_of_others()
    {
        var estimator = new Estimator();
        for (var i = 0; i < 50; i++) estimator.Observe(Build($"p{i}-wrapper", 6));

        Assert.InRange(estimator.For(Package("firefox")).Seconds / GuessOf("firefox"), 0.7, 1.4);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(1e-300)]
    [InlineData(864_000)]
    [InlineData(1e300)]
    public void Impossible_durations_do_little_harm(double seconds)
    {
        var estimator = After(1, Tabled);
        estimator.Observe(Build("frobnicate", seconds));
        estimator.Observe(Build("openssl", seconds, "other"));

        foreach (var package in new[] { "firefox", "frobnicate", "openssl", "unheard-of" })
        {
            var estimate = estimator.For(Package(package));
            Assert.True(estimate.Seconds is > 0 and < 1e9, $"{estimate.Seconds} s are expected of {package}.");
            Assert.True(estimate.Spread is > 0 and < 10, $"The spread of {package} is {estimate.Spread}.");
        }
        Assert.InRange(estimator.For(Package("firefox")).Seconds / GuessOf("firefox"), 0.5, 2);
        Assert.InRange(estimator.SpeedOf(Builder("other"), X86), 0.3, 3);
    }

    [Fact]
    public void All_jobs_are_told_that_guesses_were_wrong_and_not_at_each_build()
    {
        var names = Tabled.Concat(Enumerable.Range(0, 1000).Select(i => $"p{i}")).ToArray();
        var graph = new JobGraph([.. names.Select(name => Package(name))]);
        var estimates = new RunEstimates(graph, [Builder("a")], new Estimator());
        var before = estimates.Current.ToArray();
        var told = 0;
        for (var job = 0; job < 300; job++)
        {
            var done = new SchedulingEvent.JobFinished(job, job, 0, 0);
            told += estimates.Learn(done, Builder("a"), 3 * before[job].Seconds, cores: 4).OfType<SchedulingEvent.EstimateChanged>()
                .Count(change => change.Job >= 300);
        }

        Assert.InRange(told, 700, 25 * 700);
        Assert.All(Enumerable.Range(300, 700), job => Assert.InRange(estimates.Current[job].Seconds / before[job].Seconds, 2.6, 3.4));
    }

    [Fact]
    public void What_logs_tell_moves_the_guesses_of_other_packages_less_and_not_their_spread()
    {
        var (seen, told) = (new Estimator(), new Estimator());
        for (var i = 0; i < 12; i++)
        {
            var build = Build($"p{i}", GuessOf("p") * (i % 2 == 0 ? 30 : 1 / 30.0));
            seen.Observe(build);
            told.Observe(build with { Source = EstimateSource.NixLog });
        }
        var (seenHigh, toldHigh) = (new Estimator(), new Estimator());
        seenHigh.Observe(Build("gcc", 3 * GuessOf("gcc")));
        toldHigh.Observe(Build("gcc", 3 * GuessOf("gcc")) with { Source = EstimateSource.NixOutputMonitor });

        Assert.True(seen.For(Package("frobnicate")).Spread > 1.2 * told.For(Package("frobnicate")).Spread);
        Assert.True(seenHigh.For(Package("llvm")).Seconds > toldHigh.For(Package("llvm")).Seconds);
        Assert.True(toldHigh.For(Package("llvm")).Seconds > GuessOf("llvm"));
    }
}
