namespace NixBuildFarm.Scheduling;

/// <summary>What follows where a build was killed since memory ran out.</summary>
internal static class MemoryShortage
{
    /// <summary>
    /// Where others ran beside it, it needs a larger machine, or this one to itself. Where it had that, or nothing is known of the memory
    /// there, it is to be built where there is more.
    /// </summary>
    /// <param name="scheduler">The scheduler; it still has the build as running.</param>
    /// <param name="job">The job.</param>
    /// <param name="builder">Where it was.</param>
    /// <param name="now">The time: seconds since the run began.</param>
    /// <param name="hadNeighbours">Whether builds ran beside it that are not of this run.</param>
    /// <returns>Events to apply: its failure and, where it may help, a larger estimate.</returns>
    public static IReadOnlyList<SchedulingEvent> After(Scheduler scheduler, int job, int builder, double now, bool hadNeighbours = false)
    {
        var there = scheduler.State.Builders[builder];
        var slot = there.Slots[there.IndexOf(job)];
        if (scheduler.State.UsableBy(job, builder) is not { } usable || !(slot.HadCompany || hadNeighbours) || slot.Memory > usable)
        {
            return [new SchedulingEvent.JobFailed(now, job, builder, FailureKind.RetryElsewhere), .. NotOnSmaller()];
        }
        var again = new SchedulingEvent.JobFailed(now, job, builder, FailureKind.Retry);
        var estimate = scheduler.EstimateOf(job);
        // More than the builder has, by so little that a larger one has it: nothing is built beside it here, not even what needs nothing.
        return estimate.MemoryNeed > usable
            ? [again]
            : [new SchedulingEvent.EstimateChanged(now, job, estimate with { Memory = usable + 1, MemorySpread = 0 }), again];

        IEnumerable<SchedulingEvent> NotOnSmaller()
        {
            var memory = scheduler.DescriptionOf(builder).Memory;
            for (var other = 0; other < scheduler.Builders.Count; other++)
            {
                if (other == builder || scheduler.Runs(job, other) || !(scheduler.DescriptionOf(other).Memory <= memory)) continue;
                yield return new SchedulingEvent.JobExcluded(now, job, other);
            }
        }
    }
}
