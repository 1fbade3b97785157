using NixBuildFarm.Deciding;
using NixBuildFarm.History;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>How much sooner a build has ended by the help of others follows from what was measured, or is not said.</summary>
public class SharingGainTests
{
    [Fact]
    public void What_helpers_compiled_would_have_taken_the_places_at_home() =>
        Assert.Equal(Seconds(30), Gain(new() { Builders = [Home, Helper("ruby", 80), Helper("kana", 40)] }));

    [Fact]
    public void What_sharing_cost_at_home_is_taken_off_and_so_is_the_time_before_the_build_could_begin() =>
        Assert.Equal(
            Seconds(24), Gain(new() { Builders = [Home, Helper("ruby", 120)], Cost = Seconds(12), Preparation = Seconds(3) }));

    [Fact]
    public void Sharing_that_costs_more_than_it_spares_has_lost_time() =>
        Assert.Equal(Seconds(-4), Gain(new() { Builders = [Home, Helper("ruby", 8)], Cost = Seconds(12), Preparation = Seconds(3) }));

    [Fact]
    public void A_helper_that_is_faster_has_spared_home_more() =>
        Assert.Equal(Seconds(60), Gain(new() { Builders = [Home, Helper("ruby", 120)] }, speed: 2));

    [Fact]
    public void What_was_found_at_home_was_spared_too() =>
        Assert.Equal(Seconds(25), Gain(new() { Builders = [Home], FoundAtHome = Seconds(100) }));

    [Fact]
    public void Where_no_helper_tells_nothing_is_said()
    {
        Assert.Null(Gain(new() { Builders = [Home, Helper("ruby", null)], Cost = Seconds(12) }));
        Assert.Null(Gain(new() { Builders = [Home], Preparation = Seconds(3) }));
    }

    private static BuilderCompiles Home => new("opal", 100, 500, IsHome: true);

    private static BuilderCompiles Helper(string name, double? seconds) =>
        new(name, 10, 1000, IsHome: false) { ProcessorTime = seconds is { } known ? Seconds(known) : null };

    private static TimeSpan? Gain(SharedCompiles shared, double speed = 1) => SharingGain.Of(shared, homePlaces: 4, _ => speed);

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);
}
