using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>What a run believes of a builder, and a builder of a run.</summary>
public sealed class BuilderTrustTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby", "kana");

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task A_machine_that_does_not_trust_us_gets_whole_derivations()
    {
        farm["ruby"].Builds(build => Task.FromResult(build.Succeed()), DaemonTrust.NotTrusted);

        var results = await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), on: "ruby");

        Assert.Equal((NixBuildStatus.Built, "ruby"), (results["top"].Status, results["top"].Builder));
        Assert.True(farm.Local.Has("top"));
        Assert.True(farm["ruby"].Has("top.drv"));
        // One is the question whether it trusts us.
        Assert.Single(farm["ruby"].Daemon.Requests, request => request == WorkerOperation.BuildDerivation);
    }

    [Fact]
    public async Task A_machine_that_does_not_take_an_input_is_told_and_has_not_been_tried()
    {
        farm["ruby"].Builds(build => Task.FromResult(build.Succeed()), DaemonTrust.NotTrusted);
        farm["kana"].Features = ["kana"];
        var bottom = farm.Derivation("bottom", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "kana" });

        var results = await farm.BuildAsync(farm.Derivation("top", [bottom]), request => request with { MaxAttempts = 1 }, "ruby", "kana");

        Assert.Equal((NixBuildStatus.Built, "kana"), (results["top"].Status, results["top"].Builder));
        Assert.All(results["top"].Attempts, attempt => Assert.Contains("signed", attempt.Reason));
    }

    [Fact]
    public async Task An_untrusted_user_is_told_before_anything_is_built()
    {
        farm.Local.Builds(build => Task.FromResult(build.Succeed()), DaemonTrust.NotTrusted);

        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => farm.BuildAsync(farm.Derivation("top"), on: "ruby"));

        Assert.Equal("UntrustedUser", error.Id);
        Assert.Empty(farm.Results);
        Assert.Contains("trusted-users", error.Recommendation);
    }

    [Fact]
    public async Task A_path_that_a_builder_smuggles_in_as_a_reference_goes_nowhere()
    {
        farm["ruby"].Features = ["first"];
        farm["kana"].Features = ["second"];
        farm["ruby"].Builds(build =>
        {
            var result = build.Succeed();
            var stranger = build.Store.AddFile("stranger", "of ruby's own");
            var honest = build.Store.Find(FakeFarm.OutputOf("bottom"))!;
            build.Store.Add(honest with { References = [stranger] }, build.Store.FindNar(honest.Path)!);
            return Task.FromResult(result);
        });
        var bottom = farm.Derivation("bottom", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "first" });

        var results = await farm.BuildAsync(
            farm.Derivation("top", [bottom], new Dictionary<string, string> { ["requiredSystemFeatures"] = "second" }),
            request => request with { MaxAttempts = 1 },
            "ruby",
            "kana");

        Assert.Equal((NixBuildStatus.Failed, NixBuildStatus.DependencyFailed), (results["bottom"].Status, results["top"].Status));
        Assert.False(farm.Local.Has("stranger"));
        Assert.False(farm["kana"].Has("stranger"));
        Assert.Contains("which is no input of bottom", results["bottom"].Error);
        Assert.Equal("ruby", farm.LostBuilders.First().Builder);
    }

    [Fact]
    public async Task A_machine_that_has_not_what_it_says_to_have_built_is_found_out()
    {
        farm["ruby"].Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.Built }));

        var result = (await farm.BuildAsync(farm.Derivation("top"), request => request with { MaxAttempts = 1 }, "ruby"))["top"];

        Assert.Equal(NixBuildStatus.Failed, result.Status);
        Assert.Contains("but does not have", result.Error);
    }
}
