using NixBuildFarm.Builders;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Planning;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Planning;

/// <summary>Which builder would take a derivation.</summary>
public sealed class PolicyTesterTests : IDisposable
{
    private readonly FakeFarm farm = new();

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task Each_builder_is_told_with_its_estimate_or_the_condition_that_fails()
    {
        var tests = await TestAsync(
            farm.Derivation("app", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "kvm" }),
            Builder("slow", speed: 0.5, features: "kvm"),
            Builder("fast", speed: 2, features: "kvm"),
            Builder("plain"),
            Builder("arm", system: "aarch64-linux", features: "kvm"),
            Builder("off", enabled: false, features: "kvm"));

        Assert.Equal(["slow", "fast", "plain", "arm", "off"], tests.Select(test => test.Name));
        Assert.Equal(
            [null, null, "it lacks the required feature kvm", "it does not build x86_64-linux (it builds aarch64-linux)", "it is disabled"],
            tests.Select(test => test.Reason));
        Assert.Equal([false, true, false, false, false], tests.Select(test => test.IsChosen));
        Assert.Equal(4, tests[0].EstimatedDuration!.Value / tests[1].EstimatedDuration!.Value, 1e-3);
        Assert.True(tests[1].EstimatedFinish > tests[1].EstimatedDuration);
        Assert.All(tests.Skip(2), test => Assert.Equal((false, null, null), (test.Eligible, test.EstimatedDuration, test.EstimatedFinish)));
    }

    [Fact]
    public async Task A_derivation_that_prefers_a_local_build_is_for_the_local_machine_alone()
    {
        var tests = await TestAsync(
            farm.Derivation("small", environment: new Dictionary<string, string> { ["preferLocalBuild"] = "1" }), Builder("fast", speed: 8),
            farm.Local.Builder);

        Assert.Equal([("local", true), ("fast", false)], tests.Select(test => (test.Name, test.IsChosen)));
        Assert.Contains("preferLocalBuild", tests[1].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_builder_is_chosen_if_none_may_take_it()
    {
        var tests = await TestAsync(farm.Derivation("app"), Builder("arm", system: "aarch64-linux"));

        Assert.False(Assert.Single(tests).IsChosen);
    }

    private async Task<IReadOnlyList<NixBuilderPolicyTest>> TestAsync(StorePath path, params NixBuilder[] builders) =>
        await new PolicyTester(builders, NoHistory.Instance, farm, farm).TestAsync(
            path, _ => Task.FromResult<IReadOnlyList<RequestedDerivation>>([new(path, [])]), TestContext.Current.CancellationToken);

    private static NixBuilder Builder(
        string name, double speed = 1, string system = "x86_64-linux", bool enabled = true, params string[] features) =>
        new()
    {
        Name = name,
        HostName = name,
        Uri = $"ssh-ng://{name}",
        Systems = [system],
        SpeedFactor = speed,
        SupportedFeatures = features,
        Enabled = enabled,
        Source = "a test",
    };
}
