using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Deciding;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>Which readings of a machine hold its builder, and which release it.</summary>
public class MachineAdmissionTests
{
    private const long Gigabyte = 1L << 30;
    private const double Interval = 10;

    private static readonly MachineReading Idle = new()
    {
        Cores = 4,
        Load = 0,
        Memory = 16 * Gigabyte,
        MemoryAvailable = 12 * Gigabyte,
        MemoryPressure = 0,
        StoreSize = 100 * Gigabyte,
        StoreFree = 50 * Gigabyte,
        BuildFree = 50 * Gigabyte,
    };

    private static readonly OwnUse NothingBefore = new(0, TimeSpan.Zero) { LeftLoad = 0 };

    private double now;

    [Fact]
    public void An_idle_machine_takes_builds() => Assert.Equal(HoldCause.None, Take(new(new()), Idle));

    [Fact]
    public void A_machine_that_tells_nothing_takes_builds() => Assert.Equal(HoldCause.None, Take(new(new()), new()));

    [Theory]
    [InlineData(0.5, HoldCause.Memory)] // of 16 GB
    [InlineData(0.9, HoldCause.None)]
    public void A_machine_whose_memory_is_as_good_as_full_takes_none(double gigabytes, object cause) =>
        Assert.Equal(cause, Take(new(new()), Idle with { MemoryAvailable = (long)(gigabytes * Gigabyte) }));

    [Fact]
    public void It_takes_builds_again_when_there_is_well_more_than_the_least()
    {
        var machine = new MachineAdmission(new());

        Assert.Equal(HoldCause.Memory, Take(machine, Idle with { MemoryAvailable = Gigabyte / 2 }));
        Assert.Equal(HoldCause.Memory, Take(machine, Idle with { MemoryAvailable = Gigabyte }));
        Assert.Equal(HoldCause.None, Take(machine, Idle with { MemoryAvailable = 2 * Gigabyte }));
        Assert.Equal(HoldCause.None, Take(machine, Idle with { MemoryAvailable = Gigabyte }));
    }

    [Fact]
    public void A_machine_whose_programs_wait_for_memory_takes_none_until_they_hardly_do()
    {
        var machine = new MachineAdmission(new());

        Assert.Equal(HoldCause.Pressure, Take(machine, Idle with { MemoryPressure = 30 }));
        Assert.Equal(HoldCause.Pressure, Take(machine, Idle with { MemoryPressure = 10 }));
        Assert.Equal(HoldCause.None, Take(machine, Idle with { MemoryPressure = 1 }));
    }

    [Theory]
    [InlineData(null, 100.0, 0.9, 60.0, HoldCause.Space)]
    [InlineData(null, 100.0, 60.0, 0.9, HoldCause.Space)]
    [InlineData(null, 100.0, 1.1, 60.0, HoldCause.None)]
    [InlineData(null, 1.0, 0.1, 60.0, HoldCause.None)] // a small store
    [InlineData(null, 1.0, 0.04, 60.0, HoldCause.Space)]
    [InlineData(50.0, 100.0, 49.0, 60.0, HoldCause.Space)]
    [InlineData(0.0, 100.0, 0.0, 0.0, HoldCause.None)]
    public void Free_space_below_the_least_holds_it(double? least, double size, double store, double build, object cause)
    {
        var limits = new AdmissionLimits { MinFreeSpace = (long?)(least * Gigabyte) };

        Assert.Equal(
            cause,
            Take(
                new(limits),
                Idle with
                {
                    StoreSize = (long)(size * Gigabyte), StoreFree = (long)(store * Gigabyte), BuildFree = (long)(build * Gigabyte),
                }));
    }

    [Fact]
    public void A_small_folder_for_builds_has_to_be_free_in_its_own_measure()
    {
        var small = Idle with { BuildSize = Gigabyte / 2 };

        Assert.Equal(HoldCause.None, Take(new(new()), small with { BuildFree = Gigabyte / 3 }));
        Assert.Equal(HoldCause.Space, Take(new(new()), small with { BuildFree = Gigabyte / 50 }));
    }

    [Fact]
    public void A_build_that_found_no_space_holds_it_until_its_machine_tells_of_space()
    {
        var machine = new MachineAdmission(new());
        Take(machine, Idle);

        machine.TakeFull(now);
        Assert.Equal(HoldCause.Space, machine.Cause);

        Assert.Equal(HoldCause.Space, Take(machine, Idle with { StoreFree = Gigabyte * 3 / 2 }));
        Assert.Equal(HoldCause.None, Take(machine, Idle with { StoreFree = 3 * Gigabyte }));
    }

    [Fact]
    public void Processor_time_that_is_not_of_our_builds_holds_it()
    {
        var machine = new MachineAdmission(new() { MaxLoad = 0.5 });

        Take(machine, Idle with { ProcessorTime = TimeSpan.FromSeconds(100) });
        Assert.Equal(HoldCause.Load, Take(machine, Idle with { ProcessorTime = TimeSpan.FromSeconds(130) }));
        Assert.Contains("a load of 3.0 on 4 cores", machine.Reason);
        Assert.Equal(HoldCause.None, Take(machine, Idle with { ProcessorTime = TimeSpan.FromSeconds(140) }));
    }

    [Fact]
    public void Processor_time_of_our_builds_does_not()
    {
        var machine = new MachineAdmission(new() { MaxLoad = 0.5 });

        Take(machine, Idle with { ProcessorTime = TimeSpan.FromSeconds(100) }, new(4, TimeSpan.Zero));

        Assert.Equal(
            HoldCause.None,
            Take(machine, Idle with { Load = 0.6, ProcessorTime = TimeSpan.FromSeconds(140) }, new(4, TimeSpan.FromSeconds(38))));
    }

    [Fact]
    public void A_build_that_uses_more_cores_than_it_is_counted_with_is_ours_all_the_same()
    {
        var machine = new MachineAdmission(new() { MaxLoad = 0.5 });

        Take(machine, Idle with { ProcessorTime = TimeSpan.FromSeconds(100) }, new(1, TimeSpan.FromSeconds(10)));

        Assert.Equal(
            HoldCause.None, Take(machine, Idle with { ProcessorTime = TimeSpan.FromSeconds(140) }, new(1, TimeSpan.FromSeconds(50))));
    }

    [Fact]
    public void The_load_that_our_last_run_has_left_behind_fades_and_holds_nothing()
    {
        var machine = new MachineAdmission(new() { MaxLoad = 1 });

        for (var load = 8.0; load > 0.1; load *= Math.Exp(-Interval / 60))
        {
            Assert.Equal(HoldCause.None, Take(machine, Idle with { Load = load }));
        }
    }

    [Fact]
    public void A_load_of_others_that_stays_holds_it_and_one_that_has_gone_releases_it()
    {
        var machine = new MachineAdmission(new() { MaxLoad = 1 });
        for (var i = 0; i < 30; i++) Take(machine, Idle with { Load = 8 });
        Assert.Equal(HoldCause.Load, machine.Cause);

        Assert.Equal(HoldCause.Load, Take(machine, Idle with { Load = 3.5 }));
        Assert.Equal(HoldCause.None, Take(machine, Idle with { Load = 2 }));
    }

    [Fact]
    public void A_machine_of_its_owner_is_left_to_him_until_he_has_been_away_for_a_while()
    {
        var machine = new MachineAdmission(new() { IsIdleOnly = true });

        Assert.Equal(HoldCause.Owner, Take(machine, Idle with { Load = 1 }, NothingBefore));
        for (var i = 0; i < 30; i++) Assert.Equal(HoldCause.Owner, Take(machine, Idle));
        Assert.Equal(HoldCause.None, Take(machine, Idle));
    }

    [Fact]
    public void A_machine_that_its_owner_uses_for_days_is_left_to_him_for_days()
    {
        var machine = new MachineAdmission(new() { IsIdleOnly = true });

        for (var i = 0; i < 20_000; i++)
        {
            Assert.Equal(HoldCause.Owner, Take(machine, Idle with { Load = 2, ProcessorTime = Busy(2) }, NothingBefore));
        }

        TimeSpan Busy(int cores) => TimeSpan.FromSeconds(cores * now);
    }

    [Fact]
    public void What_earlier_builds_have_left_of_load_fades_and_what_its_owner_does_shows_beside_it()
    {
        var machine = new MachineAdmission(new() { IsIdleOnly = true });
        var left = new OwnUse(0, TimeSpan.Zero) { LeftLoad = 3 };

        Assert.Equal(HoldCause.None, Take(machine, Idle with { Load = 3.2 }, left));
        Assert.Equal(HoldCause.None, Take(machine, Idle with { Load = 2.7 }, left));
        Assert.Equal(HoldCause.Owner, Take(machine, Idle with { Load = 3 }, left));
    }

    [Fact]
    public void Builds_leave_load_by_their_length_their_processor_time_and_their_age()
    {
        var end = DateTimeOffset.UnixEpoch;
        BuildObservation long2 = new()
        {
            Package = "a", System = "x86_64-linux", Builder = "ruby", Seconds = 600, Cores = 4, ProcessorSeconds = 1200, At = end,
        };

        Assert.Equal(2, OthersLoad.LeftBy([long2], end), 2);
        Assert.Equal(4, OthersLoad.LeftBy([long2 with { ProcessorSeconds = null }], end), 2);
        Assert.Equal(4, OthersLoad.LeftBy([long2, long2], end), 2);
        Assert.Equal(2 / Math.E, OthersLoad.LeftBy([long2 with { At = end.AddSeconds(-60) }], end), 2);
        Assert.Equal(2 * (1 - 1 / Math.E), OthersLoad.LeftBy([long2 with { Seconds = 60, ProcessorSeconds = 120 }], end), 2);
        Assert.Equal(2, OthersLoad.LeftBy([long2 with { At = end.AddSeconds(60) }], end), 2);
        Assert.InRange(OthersLoad.LeftBy([long2 with { At = end - OthersLoad.Past }], end), 0, 0.02);
    }

    [Fact]
    public void Whatever_is_wrong_with_it_a_build_may_start_once_in_a_while()
    {
        var machine = new MachineAdmission(new());
        var held = new List<HoldCause>();

        for (var i = 0; i < 200; i++) held.Add(Take(machine, Idle with { MemoryAvailable = 0 }));

        Assert.InRange(held.Count(cause => cause == HoldCause.None), 2, 4);
    }

    [Fact]
    public void While_builds_of_ours_run_it_is_held_for_as_long_as_it_takes()
    {
        var machine = new MachineAdmission(new());

        for (var i = 0; i < 200; i++)
        {
            Assert.Equal(HoldCause.Memory, Take(machine, Idle with { MemoryAvailable = 0 }, new(1, TimeSpan.Zero)));
        }
    }

    [Fact]
    public void A_machine_that_tells_nothing_more_takes_builds()
    {
        var machine = new MachineAdmission(new() { IsIdleOnly = true });
        Assert.Equal(HoldCause.Owner, Take(machine, Idle with { Load = 4 }, NothingBefore));

        machine.Forget();

        Assert.Equal((HoldCause.None, null), (machine.Cause, machine.Reason));
    }

    [Fact]
    public void A_policy_sets_the_limits()
    {
        var limits = AdmissionLimits.Of(new BuilderPolicy { MaxLoad = 2.5, MinFreeSpace = 7, IdleOnly = true });

        Assert.Equal(new AdmissionLimits { MaxLoad = 2.5, MinFreeSpace = 7, IsIdleOnly = true }, limits);
        Assert.Equal(new AdmissionLimits(), AdmissionLimits.Of(BuilderPolicy.Empty));
    }

    private HoldCause Take(MachineAdmission machine, MachineReading reading, OwnUse? own = null)
    {
        machine.Take(reading, own ?? new(0, TimeSpan.Zero), now);
        now += Interval;
        Assert.Equal(machine.Cause != HoldCause.None, machine.Reason is not null);
        return machine.Cause;
    }
}
