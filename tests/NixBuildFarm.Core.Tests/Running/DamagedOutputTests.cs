using System.Collections.Concurrent;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.History;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>An output that is not what was registered is refused, reported, and built elsewhere.</summary>
public sealed class DamagedOutputTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby", "kana");

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task A_damaged_output_is_rebuilt_elsewhere_and_reported()
    {
        var (first, second) = DamageFirst(times: 1, "top");

        var result = (await farm.BuildAsync(farm.Derivation("top"), on: ["ruby", "kana"]))["top"];

        Assert.Equal((NixBuildStatus.Built, second()), (result.Status, result.Builder));
        var attempt = Assert.Single(result.Attempts);
        Assert.Equal(first(), attempt.Builder);
        Assert.Contains($"The copy of {FakeFarm.OutputOf("top")} on {first()} is damaged", attempt.Reason);
        Assert.Contains("nix-store --repair-path", attempt.Reason);
        Assert.True(farm.Local.Has("top"));
    }

    [Theory]
    [InlineData(CopyBack.All)]
    [InlineData(CopyBack.Requested)]
    public async Task An_input_that_is_damaged_where_it_was_built_is_built_again_elsewhere(CopyBack copyBack)
    {
        var (first, second) = DamageFirst(times: 1, "bottom");
        farm.Local.Builds(build => Task.FromResult(build.Succeed()));
        farm["ruby"].Features = farm["kana"].Features = ["gem"];
        var bottom = farm.Derivation("bottom", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "gem" });
        var top = farm.Derivation("top", [bottom], new Dictionary<string, string> { ["preferLocalBuild"] = "1" });

        var results = await farm.BuildAsync(top, request => request with { CopyBack = copyBack });

        Assert.All(results.Values, result => Assert.True(result.Success, $"{result.Name}: {result.Error}"));
        Assert.Equal("local", results["top"].Builder);
        Assert.NotEqual(first(), second());
        Assert.Contains(
            farm.Warnings,
            warning => warning.Contains($"The copy of {FakeFarm.OutputOf("bottom")} on {first()} is damaged", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_output_that_is_damaged_on_every_builder_is_given_up_with_all_reasons()
    {
        DamageFirst(times: 9, "top");

        var result = (await farm.BuildAsync(farm.Derivation("top"), on: ["ruby", "kana"]))["top"];

        Assert.Equal(NixBuildStatus.Failed, result.Status);
        Assert.Contains(" on ruby is damaged", result.Error);
        Assert.Contains(" on kana is damaged", result.Error);
        Assert.False(farm.Local.Has("top"));
    }

    /// <summary>The first so many builds of something leave in the store what is not what was registered.</summary>
    private (Func<string> First, Func<string> Second) DamageFirst(int times, string name)
    {
        var builders = new ConcurrentQueue<string>();
        foreach (var machine in new[] { "ruby", "kana" })
        {
            farm[machine].Builds(build =>
            {
                var result = build.Succeed();
                if (build.Path.Name != name + ".drv") return Task.FromResult(result);
                builders.Enqueue(machine);
                var path = FakeFarm.OutputOf(name);
                var nar = (byte[])build.Store.FindNar(path)!.Clone();
                nar[nar.Length / 2] ^= 1;
                if (builders.Count <= times) build.Store.Add(build.Store.Find(path)!, nar);
                return Task.FromResult(result);
            });
        }
        return (() => builders.First(), () => builders.Skip(1).First());
    }
}
