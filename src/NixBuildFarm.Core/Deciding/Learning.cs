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
        // Help from others makes phases shorter, and another part of them each time.
        var phases = compiles is null ? (Part(TellingPhase.Check), Part(TellingPhase.Install)) : default((double?, double?));
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
            CheckAt = phases.Item1,
            InstallAt = phases.Item2,
            At = ended,
        }));
        foreach (
            var learnt in facts.Estimates.Learn(
                finished, facts.Scheduler.DescriptionOf(finished.Builder), seconds, attempt.CountedCores, compiles, peakMemory,
                processorSeconds, phases))
        {
            Apply(learnt);
        }

        double? Part(TellingPhase phase) => attempt.Phases.TryGetValue(phase, out var entered) && entered >= begun && entered <= ended
            ? (entered - begun).TotalSeconds / seconds
            : null;
    }

    /// <summary>A build has come to a phase. What was expected of it gives way to what earlier builds have needed from there on.</summary>
    public void FromPhase(Attempt attempt, TellingPhase phase)
    {
        // A build may come to a phase twice: what begins first tells the most.
        if (attempt.BuildBegun is not { } begun || !attempt.Phases.TryAdd(phase, facts.UtcNow)) return;
        var job = attempt.Job.Index;
        var elapsed = (facts.UtcNow - begun).TotalSeconds;
        var builder = facts.Scheduler.DescriptionOf(attempt.Builder);
        if (facts.Estimates.EnterPhase(job, builder, phase, elapsed, attempt.CountedCores) is not var (estimate, expected)) return;
        attempt.ExpectedByPhase = expected;
        facts.Apply(new SchedulingEvent.EstimateChanged(
            facts.Now, job, facts.Scheduler.EstimateOf(job).WithDurationOf(estimate)));
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
        foreach (var learnt in facts.Estimates.LearnKilled(index, attempt.On.Name, least, facts.Now)) Apply(learnt);
    }

    /// <summary>The phase that a build has come to tells more of its duration than what builds of others have shown.</summary>
    private void Apply(SchedulingEvent learnt)
    {
        if (learnt is SchedulingEvent.EstimateChanged change && facts.Jobs[change.Job].IsExpectedByPhase)
        {
            learnt = change with { Estimate = change.Estimate.WithDurationOf(facts.Scheduler.EstimateOf(change.Job)) };
        }
        facts.Apply(learnt);
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
