using NixBuildFarm.Core.Tests.Sessions;
using NixBuildFarm.History;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>Several runs on one builder, over the very scripts that take its slots.</summary>
public sealed class SharedBuilderTests : IDisposable
{
    private readonly SlotFolder slots = new();

    public void Dispose() => slots.Dispose();

    [Fact]
    public async Task Runs_on_one_builder_together_never_build_more_at_a_time_than_its_slots()
    {
        var (going, most, gate) = (0, 0, new object());
        using FakeFarm first = new("ruby"), second = new("ruby");

        await Task.WhenAll(new[] { first, second }.Select(BuildAsync));

        Assert.InRange(most, 1, 2);
        Assert.Empty(first.Warnings.Concat(second.Warnings));

        async Task BuildAsync(FakeFarm farm)
        {
            farm["ruby"].Slots = slots;
            farm["ruby"].Builds(async build =>
            {
                lock (gate) most = Math.Max(most, ++going);
                await Task.Delay(5, TestContext.Current.CancellationToken);
                lock (gate) going--;
                return build.Succeed();
            });
            var parts = Enumerable.Range(0, 12).Select(i => farm.Derivation($"part{i}")).ToArray();
            var results = await farm.BuildAsync(farm.Derivation("top", parts), on: "ruby");
            Assert.All(results.Values, result => Assert.Equal(NixBuildStatus.Built, result.Status));
        }
    }

    [Fact]
    public async Task While_another_run_holds_every_slot_of_a_builder_builds_go_elsewhere_and_that_is_said()
    {
        using var farm = new FakeFarm(FakeFarm.Fastest, "kana");
        farm[FakeFarm.Fastest].Slots = slots;
        await using var others = new SlotLocks(SlotFolder.Builder(2), slots, TimeProvider.System);
        using SlotRequest one = others.Ask("pearl,other"), two = others.Ask("pearl,other");
        await Task.WhenAll(one.Taken, two.Taken);

        var results = await farm.BuildAsync(farm.Derivation("top"), on: [FakeFarm.Fastest, "kana"]);

        Assert.Equal("kana", results["top"].Builder);
        Assert.Contains("from pearl, run other", Assert.Single(farm.Warnings));
    }

    [Fact]
    public async Task A_builder_without_slots_to_take_is_used_as_ever_and_that_is_said_once()
    {
        using var farm = new FakeFarm("ruby");

        await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("a"), farm.Derivation("b")]), on: "ruby");

        Assert.Single(farm.Decisions, decision => decision.Contains("take no slots", StringComparison.Ordinal));
    }
}
