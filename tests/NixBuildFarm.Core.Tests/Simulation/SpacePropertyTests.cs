using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Core.Tests.Simulation;

/// <summary>What must hold of disk space on any graph and farm, with builders that come, go and are held.</summary>
public class SpacePropertyTests
{
    private static readonly SchedulingRule[] Counting =
        [SchedulingRule.Portfolio, SchedulingRule.EarliestFinish, SchedulingRule.CriticalPath, SchedulingRule.Fifo];

    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 200)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_build_goes_where_its_outputs_fit_or_where_none_fit_and_every_job_is_done(int seed)
    {
        var world = new RandomWorld(seed);
        var options = world.Options() with { Policy = Counting[world.Random.Next(Counting.Length)] };
        var scheduler = new Scheduler(
            world.Graph,
            world.Farm,
            [.. Enumerable.Range(0, world.Graph.Count).Select(j => new Estimate(world.Truth.Seconds[j], 0, world.Truth.OutputBytes[j]))],
            options);
        var disturbances = SchedulingPropertyTests.Disturbances(world);
        disturbances.AddRange(MemoryPropertyTests.Holds(world));
        for (var i = world.Random.Next(20); i > 0; i--)
        {
            var (at, builder) = (world.Random.NextDouble() * world.Random.Next(300), world.Random.Next(world.Farm.Count));
            long? free = world.Random.Next(4) == 0 ? null : world.Random.Next(1_000_000_000);
            disturbances.Add(new SchedulingEvent.SpaceTold(at, builder, free));
        }

        var result = new FarmSimulator(
            scheduler,
            world.Truth,
            new SimulationOptions
            {
                Disturbances = [.. disturbances.OrderBy(happened => happened.At)],
                Decided = decision =>
                {
                    if (decision is not SchedulingDecision.Start d) return;
                    if (d.Reason is PlacementReason.MostSpace or PlacementReason.MostMemory) return;
                    var builder = scheduler.State.Builders[d.Builder];
                    var slot = builder.Slots[builder.IndexOf(d.Job)];
                    Assert.False(slot.Space > builder.FreeSpace, $"{d} needs {slot.Space} of {builder.FreeSpace}");
                },
            }).Run();

        Assert.Equal(0, result.NotDone);
    }
}
