using NixBuildFarm.History;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A run whose derivations say how much memory they need.</summary>
public sealed class MemoryRunTests : IDisposable
{
    private readonly FakeFarm farm = new("small", "large");

    public MemoryRunTests()
    {
        farm["small"].Machine = "memory 4000000000\n";
        farm["large"].Machine = "memory 8000000000\n";
    }

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task Builds_that_do_not_fit_together_are_built_one_after_the_other()
    {
        var (running, most) = (0, 0);
        farm["large"].Builds(async build =>
        {
            most = Math.Max(most, Interlocked.Increment(ref running));
            // Others that were started with it have begun when it has told them something.
            await build.LogAsync("begun");
            Interlocked.Decrement(ref running);
            return build.Succeed();
        });

        var results = await farm.BuildAsync(
            farm.Derivation("top", [.. Enumerable.Range(0, 4).Select(i => Needing($"part{i}", "5000"))]), on: ["small", "large"]);

        Assert.All(results.Values.Where(result => result.Name != "top"), result => Assert.Equal("large", result.Builder));
        Assert.Equal(1, most);
        Assert.Empty(farm.Warnings);
    }

    [Fact]
    public async Task A_build_that_fits_nowhere_goes_to_the_largest_builder_and_that_is_said()
    {
        var result = (await farm.BuildAsync(Needing("huge", "20000"), on: ["small", "large"]))["huge"];

        Assert.Equal((NixBuildStatus.Built, "large"), (result.Status, result.Builder));
        Assert.Contains(
            "huge may need 20 GB of memory, more than any builder has that may take it and takes builds now. large has most, and builds "
                + "nothing beside it.",
            farm.Warnings);
    }

    [Fact]
    public async Task A_build_that_does_not_fit_the_builder_that_is_there_first_waits_for_the_one_that_connects()
    {
        var other = new TaskCompletionSource();
        farm["large"].Login = other.Task;
        farm["small"].Builds(build =>
        {
            other.TrySetResult();
            return Task.FromResult(build.Succeed());
        });

        var results = await farm.BuildAsync(
            farm.Derivation("top", [Needing("huge", "7000"), farm.Derivation("quick")]), on: ["small", "large"]);

        Assert.Equal("small", results["quick"].Builder);
        Assert.Equal("large", results["huge"].Builder);
    }

    private StorePath Needing(string name, string megabytes) =>
        farm.Derivation(name, environment: new Dictionary<string, string> { ["NIXBUILDNET_MIN_MEM"] = megabytes });
}
