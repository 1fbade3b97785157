using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Running;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Work;

namespace NixBuildFarm.Core.Tests.Work;

/// <summary>What a policy means to the scheduler.</summary>
public class FarmDescriptionTests
{
    private static readonly NixBuilder Ruby = new()
    {
        Name = "ruby",
        HostName = "ruby",
        Uri = "ssh://ruby",
        Systems = ["x86_64-linux", "riscv64-linux"],
        SupportedFeatures = ["kvm"],
        MandatoryFeatures = ["benchmark"],
        MaxJobs = 8,
        Cores = 8,
        Source = "test",
    };

    private static FarmBuilder Under(BuilderPolicy policy) => Ruby.WithPolicy(policy).ToFarmBuilder();

    [Theory]
    [InlineData(null, null, 8, 8)]
    [InlineData(null, 0, 8, 8)]
    [InlineData(null, 2, 6, 6)]
    [InlineData(4, null, 8, 4)]
    [InlineData(4, 1, 3, 3)]
    [InlineData(null, 99, 1, 1)]
    public void Cores_that_are_reserved_are_not_built_on_and_the_others_have_no_more_builds_than_cores(
        int? cores, int? reserve, int maxJobs, int buildCores)
    {
        var described = Under(new() { Cores = cores, Reserve = reserve });

        Assert.Equal((maxJobs, buildCores), (described.MaxJobs, described.Cores));
    }

    [Fact]
    public void Systems_and_features_of_the_policy_take_the_place_of_those_that_are_configured()
    {
        Assert.Equal(["a-linux"], Under(new() { System = ["a-linux"] }).Systems.Select(s => s.System));
        Assert.Equal(["x86_64-linux"], Under(new() { ExcludeSystem = ["riscv64-linux"] }).Systems.Select(s => s.System));
        Assert.Equal(["big-parallel"], Under(new() { Feature = ["big-parallel"] }).SupportedFeatures);
        Assert.Equal(["benchmark"], Under(new() { Feature = ["big-parallel"] }).MandatoryFeatures);
    }

    [Fact]
    public void Names_that_match_draining_and_the_pace_of_the_line_reach_the_scheduler()
    {
        var described = Under(new() { Match = ["linux-*"], Exclude = ["*-debug"], Drain = true, MaxUpload = 1000 });

        Assert.Equal(["linux-*"], described.Match);
        Assert.Equal(["*-debug"], described.Exclude);
        Assert.False(described.Enabled);
        Assert.Equal(1000, described.DownloadBandwidth);
        Assert.True(Under(BuilderPolicy.Empty).Enabled);
    }

    [Fact]
    public void Memory_that_is_reserved_and_rules_of_memory_reach_the_scheduler()
    {
        var described = Under(new() { ReserveMemory = 2, Memory = new Dictionary<string, long> { ["chromium*"] = 30, ["*-large"] = 40 } })
            with { Memory = 10 };

        Assert.Equal(8, described.UsableMemory);
        Assert.Equal([30, 40, null], new[] { "chromium-1", "chromium-large", "x" }.Select(described.RuledMemory));
    }

    [Fact]
    public void Entries_of_one_builder_share_its_slots_and_keep_their_own_conditions()
    {
        var other = new NixBuilder
        {
            Name = "ruby#2", HostName = "RUBY", Uri = "ssh-ng://ruby", Systems = ["i686-linux"], SupportedFeatures = ["big-parallel"],
            MaxJobs = 3, Source = "test",
        };
        var elsewhere = new NixBuilder
        {
            Name = "nix@ruby",
            HostName = "ruby",
            User = "nix",
            Uri = "ssh-ng://nix@ruby",
            Systems = ["i686-linux"],
            Source = "test",
        };
        var request = new BuildRequest
        {
            Evaluate = _ => Task.FromResult<IReadOnlyList<RequestedDerivation>>([]),
            Builders = [Ruby, other, elsewhere],
        };

        Assert.Equal(["ruby", "nix@ruby"], request.Builders.Select(builder => builder.Name));
        var machine = request.Builders[0].ToFarmBuilder();
        Assert.Equal(
            (8, "x86_64-linux riscv64-linux i686-linux"),
            (machine.MaxJobs, string.Join(' ', machine.Systems.Select(system => system.System))));
        Assert.Equal(["x86_64-linux benchmark", "i686-linux", "i686-linux big-parallel"], Takes(machine));
        Assert.Equal(
            "it lacks the required feature kvm",
            Eligibility.Of(new() { Name = "job", System = "i686-linux", RequiredFeatures = ["kvm"] }, machine).Problem);
        Assert.Contains(
            "it builds x86_64-linux, riscv64-linux, i686-linux",
            Eligibility.Of(new() { Name = "job", System = "armv7l-linux" }, machine).Problem);

        static IEnumerable<string> Takes(FarmBuilder machine) =>
            from system in (string[])["x86_64-linux", "i686-linux"]
            from feature in (string[])["", "benchmark", "big-parallel"]
            where Eligibility.Of(new() { Name = "job", System = system, RequiredFeatures = feature.Length > 0 ? [feature] : [] }, machine)
                .IsEligible
            select $"{system} {feature}".TrimEnd();
    }

    [Theory]
    [InlineData(null, false, CopyBack.All)]
    [InlineData(CopyBack.None, false, CopyBack.None)]
    [InlineData(CopyBack.None, true, CopyBack.All)]
    public void The_runs_CopyBack_wins_over_the_policy(CopyBack? policy, bool told, CopyBack expected)
    {
        var request = new BuildRequest
        {
            Evaluate = _ => Task.FromResult<IReadOnlyList<RequestedDerivation>>([]),
            Builders = [],
            IsCopyBackGiven = told,
        };

        Assert.Equal(expected, request.Rules.CopyBackOf(Ruby.WithPolicy(new() { CopyBack = policy })));
    }
}
