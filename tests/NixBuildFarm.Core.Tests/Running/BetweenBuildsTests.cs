using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Core.Tests.Sessions;
using NixBuildFarm.History;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Running;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>What a run does between two builds on a builder: as little as can be, for many builds are shorter.</summary>
public sealed class BetweenBuildsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Builds_that_follow_each_other_take_one_slot_and_pass_it_on()
    {
        using var slots = new SlotFolder();
        // For the slots no time passes: none lies idle for too long, however slow this machine is.
        await using var locks = new SlotLocks(SlotFolder.Builder(2), slots, new FakeTimeProvider());

        for (var build = 0; build < 5; build++)
        {
            using var turn = new SlotTurn(locks, "a,1", new RunClock(TimeProvider.System));
            await turn.KeepDuringAsync(Task.CompletedTask, Cancellation);
            await turn.TakeAsync(() => { }, Cancellation);
            turn.PassOn();
        }

        Assert.Equal(1, slots.Takes);
    }

    [Fact]
    public async Task A_build_has_ended_before_the_session_keeps_its_outputs()
    {
        // No time passes: the answer that never comes is never late.
        using var farm = new FakeFarm("ruby") { Time = new FakeTimeProvider(DateTimeOffset.UtcNow) };
        farm["ruby"].Builds(build => Task.FromResult(build.Succeed()), faults: new() { SilentAt = WorkerOperation.AddTempRoot });

        var results = await farm.BuildAsync(farm.Derivation("top"), on: "ruby");

        Assert.Equal(NixBuildStatus.Built, results["top"].Status);
        Assert.True(farm.Local.Has("top"));
    }
}
