using NixBuildFarm.Builders.Policies;

namespace NixBuildFarm.Core.Tests.Builders;

public class PolicySetTests
{
    [Fact]
    public void A_builders_own_policy_wins_over_the_farm_wide_one()
    {
        var set = PolicySet.Empty.With(null, new() { MaxJobs = 1, Enabled = false }).With("ruby", new() { MaxJobs = 4 });

        Assert.Equal("MaxJobs 4, Enabled False", set.For("ruby").ToString());
        Assert.Equal("MaxJobs 1, Enabled False", set.For("kana").ToString());
    }

    [Fact]
    public void Letter_case_of_names_makes_no_difference()
    {
        var set = PolicySet.Empty.With("ruby", new() { MaxJobs = 4 }).With("RUBY", new() { SpeedFactor = 2 });

        Assert.Equal("MaxJobs 4, SpeedFactor 2", set.For("Ruby").ToString());
        Assert.Single(set.Builders);
        Assert.Empty(set.Without("rUBY").Builders);
    }

    [Fact]
    public void A_change_leaves_what_it_does_not_name()
    {
        var set = PolicySet.Empty.With("ruby", new() { MaxJobs = 4 }).With("ruby", new() { Enabled = false });

        Assert.Equal("MaxJobs 4, Enabled False", set.For("ruby").ToString());
    }

    [Fact]
    public void Taking_away_a_builders_policy_leaves_the_farm_wide_one_and_the_other_way_round()
    {
        var set = PolicySet.Empty.With(null, new() { MaxJobs = 1 }).With("ruby", new() { MaxJobs = 4 });

        Assert.Equal("MaxJobs 1", set.Without("ruby").For("ruby").ToString());
        Assert.Equal("MaxJobs 4", set.Without(null).For("ruby").ToString());
        Assert.True(set.Without(null).For("kana").IsEmpty);
    }
}
