using CsCheck;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;

namespace NixBuildFarm.Core.Tests.Builders;

public class BuilderPolicyTests
{
    internal static readonly Gen<BuilderPolicy> Policies =
        Gen.Select(Gen.Int[0, 9].Nullable(), Gen.Int[1, 9].Nullable(), Gen.Bool.Nullable())
            .Select((jobs, speed, enabled) => new BuilderPolicy { MaxJobs = jobs, SpeedFactor = speed / 2.0, Enabled = enabled });

    private static NixBuilder Ruby => Lists.Builder("ruby - - 2 1.5");

    [Fact]
    public void A_policy_replaces_its_own_settings_and_the_rest_is_as_configured()
    {
        var builder = new BuilderPolicy { MaxJobs = 5 }.ApplyTo(Ruby);

        Assert.Equal((5, 1.5, true), (builder.MaxJobs, builder.SpeedFactor, builder.Enabled));
        Assert.Equal("ruby", builder.Name);
        Assert.Equal(5, builder.Policy.MaxJobs);
        Assert.Null(builder.Policy.SpeedFactor);
    }

    [Fact]
    public void The_configured_builder_stays_reachable()
    {
        var builder = new BuilderPolicy { MaxJobs = 0, SpeedFactor = 9, Enabled = false }.ApplyTo(Ruby);

        Assert.Equal((0, 9.0, false), (builder.MaxJobs, builder.SpeedFactor, builder.Enabled));
        Assert.Equal((2, 1.5, true), (builder.Configured.MaxJobs, builder.Configured.SpeedFactor, builder.Configured.Enabled));
        Assert.True(builder.Configured.Policy.IsEmpty);
    }

    [Fact]
    public void Applying_a_policy_leaves_the_builder_it_was_given_as_it_is()
    {
        var ruby = Ruby;

        new BuilderPolicy { MaxJobs = 7 }.ApplyTo(ruby);

        Assert.Equal(2, ruby.MaxJobs);
    }

    [Fact]
    public void The_last_policy_applied_replaces_the_one_before()
    {
        var builder = new BuilderPolicy { SpeedFactor = 3 }.ApplyTo(new BuilderPolicy { MaxJobs = 7 }.ApplyTo(Ruby));

        Assert.Equal((2, 3.0), (builder.MaxJobs, builder.SpeedFactor));
    }

    [Fact]
    public void The_stronger_policy_wins_setting_by_setting()
    {
        var policy = new BuilderPolicy { MaxJobs = 1 }.Over(new BuilderPolicy { MaxJobs = 4, Enabled = false });

        Assert.Equal((1, null, false), (policy.MaxJobs, policy.SpeedFactor, policy.Enabled));
    }

    [Fact]
    public void Layers_can_be_joined_in_any_grouping_and_an_empty_one_changes_nothing() =>
        Gen.Select(Policies, Policies, Policies).Sample((a, b, c) =>
    {
        Assert.Equal(a.Over(b).Over(c).ToString(), a.Over(b.Over(c)).ToString());
        Assert.Equal(a.ToString(), a.Over(BuilderPolicy.Empty).ToString());
        Assert.Equal(a.ToString(), BuilderPolicy.Empty.Over(a).ToString());
        Assert.Equal(a.IsEmpty, a.ToString().Length == 0);
    });

    [Fact]
    public void A_policy_hides_a_weaker_one_where_both_set_the_same()
    {
        var policy = new BuilderPolicy { MaxJobs = 1, Enabled = true };

        Assert.True(policy.Hides(new() { MaxJobs = 4 }));
        Assert.True(policy.Hides(new() { Enabled = false, SpeedFactor = 2 }));
        Assert.False(policy.Hides(new() { SpeedFactor = 2 }));
        Assert.False(policy.Hides(BuilderPolicy.Empty));
    }

    [Fact]
    public void Impossible_settings_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new BuilderPolicy { MaxJobs = -1 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new BuilderPolicy { SpeedFactor = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new BuilderPolicy { SpeedFactor = -2 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new BuilderPolicy { SpeedFactor = double.NaN });
        Assert.Throws<ArgumentOutOfRangeException>(() => new BuilderPolicy { SpeedFactor = double.PositiveInfinity });
    }

    [Fact]
    public void A_policy_is_made_of_values_by_the_name_of_their_setting()
    {
        var policy = BuilderPolicy.Of(
            name => name switch { "MaxJobs" => 2, "Match" => new[] { "gcc-*" }, "CopyBack" => CopyBack.None, _ => null });

        Assert.Equal("MaxJobs 2, Match gcc-*, CopyBack None", policy.ToString());
        Assert.Throws<ArgumentOutOfRangeException>(() => BuilderPolicy.Of(name => name == "MaxJobs" ? -1 : null));
        Assert.Throws<ArgumentException>(() => BuilderPolicy.Of(name => name == "MaxJobs" ? "many" : null));
    }

    [Fact]
    public void A_policy_reads_as_what_it_sets() =>
        Assert.Equal("MaxJobs 2, Enabled False", new BuilderPolicy { MaxJobs = 2, Enabled = false }.ToString());
}
