using NixBuildFarm.History;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Measuring;

/// <summary>
/// A past run, to be simulated again. Builds have their recorded durations, converted to speed 1.0. Fetched and valid outputs take no time;
/// derivations that were not built are left out. A build whose compiles were shared has the duration that it
/// would have had alone.
/// </summary>
public sealed class RunReplay
{
    private RunReplay(RunRecord run, Scenario scenario)
    {
        RunId = run.Id;
        Scenario = scenario;
        NotBuilt = run.Jobs.Count(job => !job.Status.IsSuccess());
        ActualMakespan = TimeSpan.FromSeconds(run.Makespan);
    }

    /// <summary>The run.</summary>
    public string RunId { get; }

    /// <summary>Its builds on its farm.</summary>
    public Scenario Scenario { get; }

    /// <summary>How many of its derivations were not built, and are not replayed.</summary>
    public int NotBuilt { get; }

    /// <summary>The real duration, from the first transfer or build to the end of the last build.</summary>
    public TimeSpan ActualMakespan { get; }

    /// <summary>Takes a run as it was recorded.</summary>
    public static RunReplay Of(RunRecord run)
    {
        var farm = run.Farm.DistinctBy(builder => builder.Name).ToDictionary(builder => builder.Name);
        var indexOf = new Dictionary<int, int>();
        var built = new List<RecordedJob>();
        for (var i = 0; i < run.Jobs.Count; i++)
        {
            if (run.Jobs[i] is not { IsBuilt: true } job) continue;
            indexOf.Add(i, built.Count);
            built.Add(job);
        }
        var scenario = new Scenario
        {
            Graph = new JobGraph([.. built.Select(recorded => recorded.Job with
            {
                Dependencies = [.. recorded.Job.Dependencies.Where(indexOf.ContainsKey).Select(dependency => indexOf[dependency])],
            })]),
            Durations = new GraphDurations(
                [.. built.Select(recorded => ReferenceSeconds(recorded, farm))], [.. built.Select(recorded => recorded.OutputBytes)])
            {
                Compiles = [.. built.Select(recorded => Compiles(recorded, farm))],
            },
            Farm = [.. farm.Values],
        };
        return new(run, scenario);
    }

    private static CompileEstimate Compiles(RecordedJob recorded, Dictionary<string, FarmBuilder> farm) =>
        recorded.SharedCompiles is { } compiles
        ? LearntCompiles.Of(compiles.Observation, ReferenceSeconds(recorded, farm), SpeedOf(recorded, farm))
        : CompilePriors.For(recorded.Job);

    private static double ReferenceSeconds(RecordedJob recorded, Dictionary<string, FarmBuilder> farm)
    {
        var cores = recorded.Cores > 0 ? recorded.Cores : Estimate.ReferenceCores;
        var alone = recorded.Seconds + (recorded.SharedCompiles?.Saved?.TotalSeconds ?? 0);
        return alone * SpeedOf(recorded, farm) / Estimate.CoreFactor(recorded.Job.EnableParallelBuilding, cores);
    }

    private static double SpeedOf(RecordedJob recorded, Dictionary<string, FarmBuilder> farm)
    {
        var speed = recorded.Builder is { } name && farm.TryGetValue(name, out var builder) ? builder.SpeedOf(recorded.Job.System) : 0;
        // A builder that does not build this system any more says nothing of its speed.
        return speed > 0 ? speed : 1;
    }
}
