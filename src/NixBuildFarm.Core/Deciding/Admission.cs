using System.Globalization;
using NixBuildFarm.Builders;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Holds builders that take no new builds for the time being: others or their owner use them, or they are short of memory or space.
/// </summary>
internal sealed class Admission(RunFacts facts, Attempts attempts, CompileGrants grants)
{
    private static readonly double MostSeconds = TimeSpan.MaxValue.TotalSeconds / 2;

    private readonly Dictionary<string, MachineAdmission> machines = [];
    private bool hasToldOfWaiting;

    /// <summary>A builder takes part: what its machine has told already holds it before it gets its first build.</summary>
    public void Begin(RunBuilder on)
    {
        if (on.FirstReading is { } reading) Take(on, reading);
    }

    /// <summary>A machine has told what it has, or tells nothing more.</summary>
    public void Take(RunEvent.MachineRead read)
    {
        Take(read.On, read.Reading);
        TellOfWaiting();
    }

    private void Take(RunBuilder on, MachineReading? reading)
    {
        if (facts.IndexOf(on) is not (>= 0 and var builder)) return;
        var machine = MachineOf(on);
        var before = machine.Cause;
        if (reading is null) machine.Forget();
        else machine.Take(reading, OwnUseOf(on, builder), facts.Now);
        Apply(on, builder, machine, before);
        Describe(on, builder, machine);
    }

    /// <summary>A build found no space on its builder, which is full until its machine tells otherwise.</summary>
    public void TakeFull(RunBuilder on)
    {
        // One that tells nothing would be full for ever.
        if (facts.IndexOf(on) is not (>= 0 and var builder) || !facts.Readings.ContainsKey(on.Name)) return;
        var machine = MachineOf(on);
        var before = machine.Cause;
        machine.TakeFull(facts.Now);
        Apply(on, builder, machine, before);
    }

    private void Apply(RunBuilder on, int builder, MachineAdmission machine, HoldCause before)
    {
        var scheduler = facts.Scheduler;
        var isHeld = machine.Reason is not null;
        // One that was lost and is back is not held, whatever it was before.
        if (scheduler.StatusOf(builder) == BuilderStatus.Lost) return;
        if (!facts.Hold(builder, this, isHeld) && machine.Cause == before) return;
        facts.Reporter.Decided(isHeld ? $"{on} takes no new builds for now: {machine.Reason}." : $"{on} takes builds again.");
    }

    /// <summary>What others leave of memory and space is what builds may have.</summary>
    private void Describe(RunBuilder on, int builder, MachineAdmission machine)
    {
        if (facts.Scheduler.StatusOf(builder) == BuilderStatus.Lost) return;
        facts.Apply(new SchedulingEvent.SpaceTold(facts.Now, builder, machine.FreeSpace));
        var before = facts.Scheduler.DescriptionOf(builder);
        if (before.OthersMemory == machine.OthersMemory) return;
        var now = before with { OthersMemory = machine.OthersMemory };
        facts.Apply(new SchedulingEvent.BuilderChanged(facts.Now, builder, now));
        if (before.UsableMemory == now.UsableMemory || now.UsableMemory is not { } usable) return;
        facts.Reporter.Decided(string.Create(
            CultureInfo.InvariantCulture,
            $"Others have {now.OthersMemory / 1e9:0.0} GB of the memory of {on}; builds may have {usable / 1e9:0.0} GB there."));
    }

    /// <summary>Where nothing runs, and what could run waits for builders that are held, the user should know why.</summary>
    private void TellOfWaiting()
    {
        var held = facts.Farm.Where(
            (_, index) => facts.Scheduler.StatusOf(index) == BuilderStatus.Online && facts.Scheduler.IsHeld(index)).ToArray();
        var isWaiting = attempts.Running.Count == 0 && held.Length > 0 && facts.Scheduler.ReadyCount > 0;
        if (isWaiting && !hasToldOfWaiting)
        {
            facts.Reporter.Degraded("Nothing can be built for now: "
                + string.Join("; ", held.Select(builder => $"{builder}: {MachineOf(builder).Reason ?? "others hold its slots"}"))
                + ". What is to be built waits.");
        }
        hasToldOfWaiting = isWaiting;
    }

    private OwnUse OwnUseOf(RunBuilder on, int builder)
    {
        var here = attempts.BuildingOn(on).ToArray();
        // One that was given no number of cores may use all of them.
        var all = facts.Scheduler.DescriptionOf(builder).MostCores;
        return new(
            here.Sum(attempt => attempt.Cores > 0 ? Math.Max(1, attempt.CountedCores) : all) + grants.LentBy(builder),
            // What a builder tells may be nonsense.
            TimeSpan.FromSeconds(Math.Min(MostSeconds, here.Sum(attempt => attempt.ProcessorTime?.TotalSeconds ?? 0))))
        {
            Builds = here, LeftLoad = on.LeftLoad, KeptFor = attempt => facts.Scheduler.MemoryNeedOf(attempt.Job.Index, builder),
        };
    }

    private MachineAdmission MachineOf(RunBuilder on)
    {
        if (!machines.TryGetValue(on.Name, out var machine))
        {
            machines.Add(on.Name, machine = new(AdmissionLimits.Of(on.Builder.Policy)));
        }
        return machine;
    }
}
