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
        var compiles = attempt.Outcome?.Shared?.Observation;
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
            Compiles = compiles,
            At = ended,
        }));
        foreach (
            var learnt in facts.Estimates.Learn(
                finished, facts.Scheduler.DescriptionOf(finished.Builder), seconds, attempt.CountedCores, compiles))
        {
            facts.Apply(learnt);
        }
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
