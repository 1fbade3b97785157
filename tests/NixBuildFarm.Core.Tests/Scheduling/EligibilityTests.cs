using NixBuildFarm.Scheduling;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling;

public class EligibilityTests
{
    private static string? Problem(Job job, FarmBuilder builder) => Eligibility.Of(job, builder).Problem;

    [Fact]
    public void A_builder_of_the_right_system_takes_a_plain_job() => Assert.Null(Problem(Job("a"), Builder("b")));

    [Fact]
    public void A_builder_of_another_system_says_what_it_builds() =>
        Assert.Equal("it does not build aarch64-linux (it builds x86_64-linux)", Problem(Job("a") with { System = Arm }, Builder("b")));

    [Fact]
    public void Every_builder_has_the_builtin_ones() => Assert.Null(Problem(Job("a") with { System = "builtin" }, Builder("b")));

    [Fact]
    public void A_missing_feature_is_named() =>
        Assert.Equal(
            "it lacks the required feature kvm",
            Problem(Job("a") with { RequiredFeatures = ["big-parallel", "kvm"] }, Builder("b", features: "big-parallel")));

    [Fact]
    public void A_mandatory_feature_counts_as_supported() =>
        Assert.Null(Problem(Job("a") with { RequiredFeatures = ["benchmark"] }, Builder("b") with { MandatoryFeatures = ["benchmark"] }));

    [Fact]
    public void A_mandatory_feature_keeps_other_jobs_away() =>
        Assert.Equal(
            "it takes only jobs that require the feature benchmark",
            Problem(Job("a"), Builder("b") with { MandatoryFeatures = ["benchmark"] }));

    [Fact]
    public void Policy_wildcards_choose_by_name()
    {
        var policy = Builder("b") with { Match = ["gcc-*", "llvm-*"], Exclude = ["*-debug"] };

        Assert.Null(Problem(Job("gcc-14"), policy));
        Assert.Equal("its policy takes only gcc-*, llvm-*", Problem(Job("hello"), policy));
        Assert.Equal("its policy excludes *-debug", Problem(Job("gcc-14-debug"), policy));
    }

    [Fact]
    public void A_small_job_stays_local_where_the_local_machine_takes_part()
    {
        var job = Job("a") with { PreferLocal = true };

        Assert.Equal([false, true], Eligibility.OnFarm(job, [Builder("b"), Local()]).Select(e => e.IsEligible));
        Assert.Equal([true, true], Eligibility.OnFarm(job, [Builder("b"), Builder("c")]).Select(e => e.IsEligible));
        Assert.Equal(
            [true, false], Eligibility.OnFarm(job, [Builder("b"), Local() with { Systems = [new(Arm, 1)] }]).Select(e => e.IsEligible));
    }
}
