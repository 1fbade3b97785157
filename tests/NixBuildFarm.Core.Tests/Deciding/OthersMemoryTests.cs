using NixBuildFarm.Builders;
using NixBuildFarm.Deciding;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>How much memory of a machine is taken for that of others.</summary>
public class OthersMemoryTests
{
    private const long GB = 1_000_000_000;

    private readonly OthersMemory others = new();
    private double now;

    [Fact]
    public void What_is_neither_available_nor_ours_is_others()
    {
        Take(available: 6, Build(seen: 4));

        Assert.Equal(6 * GB, others.Counted);
    }

    [Fact]
    public void A_build_that_was_not_seen_counts_as_what_is_kept_for_it()
    {
        Take(available: 6, Build(seen: null));

        Assert.Equal(7 * GB, others.Counted);
    }

    [Fact]
    public void A_build_that_has_ended_since_the_last_reading_may_be_in_it()
    {
        Take(available: 12, Build(seen: 4));
        Take(available: 12);
        Assert.Equal(0, others.Counted);
        // Now it is not.
        Take(available: 12);
        Assert.Equal(4 * GB, others.Counted);
    }

    [Fact]
    public void Small_changes_change_nothing()
    {
        Take(available: 12);
        Take(available: 11.5);
        Assert.Equal(4 * GB, others.Counted);
    }

    [Fact]
    public void It_rises_at_once_and_falls_slowly()
    {
        Take(available: 16);
        Take(available: 6);
        Assert.Equal(10 * GB, others.Counted);
        Take(available: 16);
        Assert.InRange(others.Counted, 8 * GB, 9 * GB);
        for (var i = 0; i < 30; i++) Take(available: 16);
        Assert.InRange(others.Counted, 0, GB);
    }

    [Fact]
    public void A_machine_that_goes_to_and_fro_is_taken_for_its_fuller_side()
    {
        var changes = 0;
        for (var i = 0; i < 100; i++)
        {
            var before = others.Counted;
            Take(available: i % 2 == 0 ? 10 : 11);
            changes += others.Counted == before ? 0 : 1;
        }
        Assert.Equal(1, changes);
    }

    [Fact]
    public void A_machine_that_tells_nothing_more_has_no_others()
    {
        Take(available: 6);
        others.Forget();
        Assert.Equal(0, others.Counted);
    }

    [Fact]
    public void Alike_machines_are_told_alike()
    {
        Take(available: 12.4);
        Assert.Equal(4 * GB, others.Counted);
    }

    [Fact]
    public void Builds_that_are_told_with_nonsense_are_more_than_all_and_no_error()
    {
        var build = Build(seen: 4);
        (build.Memory, build.PeakMemory) = (long.MaxValue, long.MaxValue);
        Take(available: 6, build, Build(seen: null));
        Assert.Equal(0, others.Counted);
    }

    /// <summary>A machine of 16 GB, 10 s later than before. 3 GB are kept for each build.</summary>
    private void Take(double available, params Attempt[] here)
    {
        now += 10;
        foreach (var attempt in here) attempt.SeenAt = attempt.Memory is null ? 0 : now;
        others.Take(new MachineReading { Memory = 16 * GB, MemoryAvailable = (long)(available * GB) }, here, _ => 3 * GB, now);
    }

    private static Attempt Build(long? seen)
    {
        var farm = new GivenWork("ruby");
        var attempt = Assert.Single(DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]).Started);
        (attempt.Memory, attempt.PeakMemory) = (seen * GB, seen * GB);
        return attempt;
    }
}
