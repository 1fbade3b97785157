using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Planning;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Core.Tests.Planning;

/// <summary>What a plan comes to: how long it takes, what is sent, what is fetched.</summary>
public sealed class PlanOutlookTests
{
    [Fact]
    public async Task A_duration_that_nobody_has_measured_is_marked_as_a_guess()
    {
        using var farm = new FakeFarm("ruby") { History = new KnownBuilds(60, "known") };

        var plan = await farm.PlanAsync(farm.RequestFor(farm.Derivation("unknown", [farm.Derivation("known")]), "ruby"));

        Assert.Equal([("known", false), ("unknown", true)], plan.Steps.Select(step => (step.Name, step.IsGuess)));
        Assert.False(plan.Outlook.IsGuess);
    }

    [Fact]
    public async Task A_plan_that_rests_on_guesses_for_the_greater_part_is_one()
    {
        using var farm = new FakeFarm("ruby") { History = new KnownBuilds(1, "known") };

        var plan = await farm.PlanAsync(farm.RequestFor(farm.Derivation("unknown", [farm.Derivation("known")]), "ruby"));

        Assert.True(plan.Outlook.IsGuess);
    }

    [Fact]
    public async Task What_builders_need_of_this_machine_is_counted_once_for_each_of_them()
    {
        using var farm = new FakeFarm("ruby", "kana");
        var source = farm.Local.Daemon.Store.AddFile("source");
        var needs = new Dictionary<string, string> { ["requiredSystemFeatures"] = "kana" };
        farm["kana"].Features = ["kana"];
        var first = farm.Derivation("first", environment: needs, sources: [source]);
        var second = farm.Derivation("second", [first], needs, sources: [source]);

        var plan = await farm.PlanAsync(farm.RequestFor(second));

        Assert.Equal([("kana", FakeStore.FileOf("source", []).Info.NarSize)], plan.Outlook.InputBytes.Select(own => (own.Key, own.Value)));
    }

    [Fact]
    public async Task What_substituters_have_is_counted_as_Nix_counts_it()
    {
        using var farm = new FakeFarm("ruby");
        var middle = farm.Derivation("middle");
        var (info, nar) = FakeStore.FileOf("middle", [1, 2, 3]);
        farm.Local.Daemon.Store.Substitutable[info.Path] = (info, nar);

        var plan = await farm.PlanAsync(farm.RequestFor(farm.Derivation("top", [middle]), "ruby"));

        Assert.Equal(1, plan.Outlook.FetchedPaths);
    }

    [Fact]
    public async Task Nothing_to_build_has_no_duration()
    {
        using var farm = new FakeFarm("ruby");
        var top = farm.Derivation("top");
        farm.Local.Daemon.Store.AddFile("top");

        var plan = await farm.PlanAsync(farm.RequestFor(top));

        Assert.Null(plan.Outlook.Span);
    }

    [Theory]
    [InlineData(0, 100, 100)]
    [InlineData(0.5, 45, 230)]
    public void The_span_of_one_build_is_that_of_its_estimate(double spread, double least, double most)
    {
        var span = SpanOf([new Estimate(100, spread, 0)], [new(0, 0, 0, 100, 1)], []);

        Assert.InRange(span.Least.TotalSeconds, least, span.Middle.TotalSeconds);
        Assert.InRange(span.Most.TotalSeconds, span.Middle.TotalSeconds, most);
        Assert.InRange(span.Middle.TotalSeconds, 85, 115);
    }

    [Fact]
    public void Guesses_are_wrong_together_and_so_do_not_average_out()
    {
        var schedule = Enumerable.Range(0, 100).Select(job => new ScheduledJob(job, 0, job * 10, job * 10 + 10, 1)).ToArray();

        var apart = SpanFrom(own: 0.7, common: 0);
        var together = SpanFrom(own: 0, common: 0.7);

        Assert.True(apart.Most / apart.Least < 1.4, $"{apart}");
        Assert.InRange(together.Most / together.Least, 0.75 * Math.Exp(2 * 1.28 * 0.7), 1.33 * Math.Exp(2 * 1.28 * 0.7));

        PlanSpan SpanFrom(double own, double common) =>
            SpanOf([.. schedule.Select(_ => new Estimate(10, own, 0) { CommonSpread = common })], schedule, []);
    }

    [Fact]
    public void What_is_needed_is_waited_for()
    {
        ScheduledJob[] schedule = [new(0, 0, 0, 100, 1), new(1, 1, 100, 110, 1)];

        var span = SpanOf([new Estimate(100, 1, 0), new Estimate(10, 0, 0)], schedule, [0]);

        Assert.True(span.Most > TimeSpan.FromSeconds(250), $"{span}");
    }

    private static PlanSpan SpanOf(Estimate[] estimates, ScheduledJob[] schedule, int[] needsOfSecond)
    {
        var jobs = estimates.Select((_, index) => new Job
        {
            Name = $"job{index}",
            System = "x86_64-linux",
            Dependencies = index == 1 ? needsOfSecond : [],
        });
        return PlanSpan.Of(schedule, new JobGraph([.. jobs]), estimates)!;
    }
}
