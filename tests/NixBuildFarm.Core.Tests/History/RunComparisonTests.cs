using NixBuildFarm.History;

namespace NixBuildFarm.Core.Tests.History;

/// <summary>Two runs side by side.</summary>
public sealed class RunComparisonTests
{
    private static readonly DateTimeOffset Began = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(10, 14, NixBuildChange.Slower)]
    [InlineData(14, 10, NixBuildChange.Faster)]
    [InlineData(0.1, 0.5, NixBuildChange.Alike)]
    [InlineData(100, 104, NixBuildChange.Alike)]
    [InlineData(100, 106, NixBuildChange.Slower)]
    public void A_build_that_differs_by_more_than_a_machine_does_is_slower_or_faster(double then, double now, NixBuildChange change)
    {
        var one = Assert.Single(RunComparison.Of(Run(Built("a", now)), Run(Built("a", then))));

        Assert.Equal((change, then, now), (one.Change, one.SecondsThen, one.Seconds));
        Assert.Equal(now - then, one.Difference!.Value, 6);
    }

    [Fact]
    public void What_only_one_run_has_is_new_or_gone()
    {
        var both = RunComparison.Of(Run(Built("fresh", 3)), Run(Built("old", 4)));

        Assert.Equal([("fresh", NixBuildChange.New), ("old", NixBuildChange.Gone)], both.Select(one => (one.Name, one.Change)));
        Assert.Null(both[0].SecondsThen);
        Assert.Null(both[1].DerivationPath);
        Assert.All(both, one => Assert.Null(one.Difference));
    }

    [Theory]
    [InlineData(NixBuildStatus.Built, NixBuildStatus.Failed, NixBuildChange.Failed)]
    [InlineData(NixBuildStatus.Substituted, NixBuildStatus.TimedOut, NixBuildChange.Failed)]
    [InlineData(NixBuildStatus.Failed, NixBuildStatus.Built, NixBuildChange.Mended)]
    [InlineData(NixBuildStatus.Failed, NixBuildStatus.Failed, NixBuildChange.NotBuilt)]
    [InlineData(NixBuildStatus.Built, NixBuildStatus.DependencyFailed, NixBuildChange.NotBuilt)]
    [InlineData(NixBuildStatus.Built, NixBuildStatus.Substituted, NixBuildChange.NotBuilt)]
    public void What_failed_in_one_run_is_told_apart(NixBuildStatus then, NixBuildStatus now, NixBuildChange change)
    {
        var one = Assert.Single(RunComparison.Of(Run(Built("a", 3) with { Status = now }), Run(Built("a", 3) with { Status = then })));

        Assert.Equal((change, then, now), (one.Change, one.StatusThen, one.Status));
    }

    [Fact]
    public void A_derivation_is_found_again_by_its_path_its_name_or_its_package()
    {
        var now = Run(Built("lib-1.0", 1, "x"), Built("app-2.1", 2, "y"), Built("app-2.0", 3, "z"));
        var then = Run(Built("app-2.0", 30, "q"), Built("app-1.9", 20, "r"), Built("lib-1.0", 10, "x"));

        Assert.Equal(
            [("lib-1.0", 10.0), ("app-2.1", 20.0), ("app-2.0", 30.0)],
            RunComparison.Of(now, then).Select(one => (one.Name, one.SecondsThen!.Value)));
    }

    [Fact]
    public void A_name_that_several_have_left_tells_nothing()
    {
        var now = Run(Built("source", 1, "x"), Built("source", 2, "y"), Built("source", 3, "z"));
        var then = Run(Built("source", 10, "p"), Built("source", 20, "q"), Built("source", 30, "z"));

        Assert.Equal(
            [(null, 1.0), (null, 2.0), (30.0, 3.0), (10.0, null), (20.0, null)],
            RunComparison.Of(now, then).Select(one => (one.SecondsThen, one.Seconds)));
    }

    [Fact]
    public void It_tells_where_one_is_left_of_each()
    {
        var now = Run(Built("source", 1, "x"), Built("source", 3, "z"));
        var then = Run(Built("source", 30, "z"), Built("source", 10, "p"));

        Assert.Equal([10.0, 30.0], RunComparison.Of(now, then).Select(one => one.SecondsThen!.Value));
    }

    [Fact]
    public void Builds_of_one_name_and_of_several_systems_are_not_mixed_up()
    {
        var (native, other) = (Built("a", 1, "n"), Built("a", 9, "o"));
        other = other with { Job = other.Job with { System = "riscv64-linux" } };

        var both = RunComparison.Of(Run(native, other), Run(other with { DerivationPath = "p" }, native with { DerivationPath = "q" }));

        Assert.Equal([0, 0], both.Select(one => one.Difference!.Value));
    }

    [Fact]
    public void What_has_not_ended_has_no_status()
    {
        var now = Run(Built("a", 1) with { Status = NixBuildStatus.Cancelled }) with { State = RunState.Running };

        Assert.Null(Assert.Single(RunComparison.Of(now, Run(Built("a", 1)))).Status);
    }

    private static RunRecord Run(params RecordedJob[] jobs) => new()
    {
        Id = "20260301-120000-abcd", Started = Began, Ended = Began.AddMinutes(1), State = RunState.Succeeded, Requested = [], Jobs = jobs,
    };

    private static RecordedJob Built(string name, double seconds, string hash = "0") => new()
    {
        Job = new() { Name = name, System = "x86_64-linux" }, DerivationPath = $"/nix/store/{hash}-{name}.drv",
        Status = NixBuildStatus.Built, Builder = "ruby", SupplyStart = 0, Start = 0, Seconds = seconds,
    };
}
