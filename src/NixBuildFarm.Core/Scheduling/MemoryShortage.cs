namespace NixBuildFarm.Scheduling;

/// <summary>What follows where a build was killed since memory ran out.</summary>
internal static class MemoryShortage
{
    /// <summary>
    /// Where others ran beside it, it needs the machine to itself, as far as is known now, or a larger one. Where it was alone, or nothing
    /// is known of the memory there, it is to be built where there is more.
    /// </summary>
    /// <param name="scheduler">The scheduler; it still has the build as running.</param>
    /// <param name="job">The job.</param>
    /// <param name="builder">Where it was.</param>
    /// <param name="now">The time: seconds since the run began.</param>
    /// <returns>Events to apply: its failure and, where it may help, a larger estimate.</returns>
    public static IReadOnlyList<SchedulingEvent> After(Scheduler scheduler, int job, int builder, double now)
    {
        var there = scheduler.State.Builders[builder];
        if (scheduler.State.UsableBeyond(builder, job) is not { } usable || !there.Slots[there.IndexOf(job)].HadCompany)
        {
            return [new SchedulingEvent.JobFailed(now, job, builder, FailureKind.RetryElsewhere), .. NotOnSmaller()];
        }
        return
        [
            new SchedulingEvent.EstimateChanged(now, job, scheduler.EstimateOf(job) with { Memory = usable, MemorySpread = 0 }),
            new SchedulingEvent.JobFailed(now, job, builder, FailureKind.Retry),
        ];

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
