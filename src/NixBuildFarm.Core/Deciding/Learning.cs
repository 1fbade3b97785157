using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>What builds and transfers of this run teach about others, in this run and in later ones.</summary>
internal sealed class Learning(RunFacts facts)
{
    /// <summary>By how much a bandwidth has to change to be worth a new plan.</summary>
    private const double Worth = 0.25;

    /// <summary>A build has shown how long it takes.</summary>
    public void FromBuild(Attempt attempt, SchedulingEvent.JobFinished finished)
    {
        var job = facts.Scheduler.Graph[finished.Job];
        // The name of a download says nothing of its size.
        if (job.IsFixedOutput || job.IsBuiltin || attempt is not { BuildBegun: { } begun, BuildEnded: { } ended }) return;
        var seconds = Math.Max(0.001, (ended - begun).TotalSeconds);
        var outcome = attempt.Outcome;
        var (peakMemory, processorSeconds) = (outcome?.PeakMemory, outcome?.ProcessorTime?.TotalSeconds);
        var compiles = outcome?.Shared?.Observation;
        facts.Do(new RunAction.KeepBuild(new()
        {
            Package = PackagePriors.KeyOf(job),
            System = job.System,
            Builder = attempt.On.Name,
            Seconds = seconds,
            Cores = attempt.CountedCores,
            EnableParallelBuilding = job.EnableParallelBuilding,
            SpeedFactor = attempt.On.Builder.SpeedFactor,
            OutputBytes = finished.OutputBytes,
            PeakMemory = peakMemory,
            ProcessorSeconds = processorSeconds,
            Compiles = compiles,
            At = ended,
        }));
        foreach (
            var learnt in facts.Estimates.Learn(
                finished, facts.Scheduler.DescriptionOf(finished.Builder), seconds, attempt.CountedCores, compiles, peakMemory,
                processorSeconds))
        {
            facts.Apply(learnt);
        }
    }

    /// <summary>
    /// A build was killed when memory ran out: it takes more than it had, or, where nobody saw that, more than was kept for it.
    /// </summary>
    public void FromKilled(Attempt attempt, BuildOutcome outcome)
    {
        var index = attempt.Job.Index;
        var job = facts.Scheduler.Graph[index];
        if (job.IsFixedOutput || job.IsBuiltin) return;
        var kept = facts.Scheduler.EstimateOf(index).MemoryNeed;
        var least = outcome.PeakMemory ?? Math.Min(kept, attempt.On.Memory ?? kept);
        if (least <= 0) return;
        facts.Do(new RunAction.KeepBuild(new()
        {
            Package = PackagePriors.KeyOf(job),
            System = job.System,
            Builder = attempt.On.Name,
            Seconds = 0,
            PeakMemory = least,
            WasKilled = true,
            At = outcome.Ended,
        }));
        foreach (var learnt in facts.Estimates.LearnKilled(index, attempt.On.Name, least, facts.Now)) facts.Apply(learnt);
    }

    /// <summary>A transfer has shown what a link carries.</summary>
    public void FromLink(RunEvent.LinkMeasured measured)
    {
        var builder = facts.IndexOf(measured.Builder);
        if (builder < 0 || facts.Scheduler.StatusOf(builder) != BuilderStatus.Online) return;
        var before = facts.Scheduler.DescriptionOf(builder);
        if (before.IsLocal) return;
        var now = before with
        {
            DownloadBandwidth = measured.Download ?? before.DownloadBandwidth,
            UploadBandwidth = measured.Upload ?? before.UploadBandwidth,
        };
        if (Differs(before.DownloadBandwidth, now.DownloadBandwidth) || Differs(before.UploadBandwidth, now.UploadBandwidth))
        {
            facts.Apply(new SchedulingEvent.BuilderChanged(facts.Now, builder, now));
        }

        static bool Differs(double a, double b) => !a.Equals(b) && !(Math.Abs(a - b) < Worth * Math.Max(a, b));
    }
}
