using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Scheduling;

/// <summary>Small graphs and farms for specifications.</summary>
internal static class Given
{
    public const string X86 = "x86_64-linux";
    public const string Arm = "aarch64-linux";

    public static Job Job(string name, params int[] dependencies) => new() { Name = name, System = X86, Dependencies = dependencies };

    public static FarmBuilder Builder(string name, int slots = 1, double speed = 1, params string[] features) =>
        new() { Name = name, Systems = [new(X86, speed)], MaxJobs = slots, SupportedFeatures = features };

    public static FarmBuilder Local(int slots = 1, double speed = 1) => Builder("local", slots, speed) with { IsLocal = true };

    public static Scheduler Scheduler(IReadOnlyList<Job> jobs, IReadOnlyList<FarmBuilder> farm, params double[] seconds) =>
        new(new JobGraph(jobs), farm, Estimates(jobs, seconds), new SchedulerOptions { Policy = SchedulingRule.EarliestFinish });

    public static Estimate[] Estimates(IReadOnlyList<Job> jobs, params double[] seconds) =>
        jobs.Select((_, i) => new Estimate(i < seconds.Length ? seconds[i] : 1, 0, 0)).ToArray();

    /// <summary>A build of a job that has the name of its package and no more.</summary>
    public static bool Observe(this Estimator estimator, BuildObservation build) => estimator.Observe(
        build,
        Job(build.Package + "-1.0") with
        {
            PackageName = build.Package,
            System = build.System,
            EnableParallelBuilding = build.EnableParallelBuilding,
        });

    /// <summary>What of the decisions matters to most tests: job index and builder index of each start.</summary>
    public static (int Job, int Builder)[] Starts(IEnumerable<SchedulingDecision> decisions) =>
        decisions.OfType<SchedulingDecision.Start>().Select(s => (s.Job, s.Builder)).ToArray();
}
