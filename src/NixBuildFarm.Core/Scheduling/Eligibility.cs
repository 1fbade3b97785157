using System.IO.Enumeration;

namespace NixBuildFarm.Scheduling;

/// <summary>Whether a builder may take a job, and if not, which condition fails, in words.</summary>
/// <param name="Problem">The condition that fails; null where none does.</param>
public readonly record struct Eligibility(string? Problem)
{
    /// <summary>Whether the builder may take the job.</summary>
    public bool IsEligible => Problem is null;

    /// <summary>
    /// Applies Nix's rule (system; required ⊆ supported ∪ mandatory; mandatory ⊆ required), then the user's policy. That small jobs stay
    /// local is not asked here: see <see cref="OnFarm"/>.
    /// </summary>
    public static Eligibility Of(Job job, FarmBuilder builder)
    {
        if (builder.Entries.Count > 0) return OfEntries(job, builder.Entries);
        if (!builder.Enabled) return new("it is disabled");
        if (builder.SpeedOf(job.System) <= 0)
        {
            return new($"it does not build {job.System} (it builds {string.Join(", ", builder.Systems.Select(s => s.System))})");
        }
        foreach (var feature in job.RequiredFeatures)
        {
            if (!builder.SupportedFeatures.Contains(feature) && !builder.MandatoryFeatures.Contains(feature))
            {
                return new($"it lacks the required feature {feature}");
            }
        }
        foreach (var feature in builder.MandatoryFeatures)
        {
            if (!job.RequiredFeatures.Contains(feature)) return new($"it takes only jobs that require the feature {feature}");
        }
        if (builder.Match.Count > 0 && !Matches(builder.Match, job.Name))
        {
            return new($"its policy takes only {string.Join(", ", builder.Match)}");
        }
        if (Matches(builder.Exclude, job.Name))
        {
            return new($"its policy excludes {builder.Exclude.First(p => FileSystemName.MatchesSimpleExpression(p, job.Name))}");
        }
        return builder.MaxJobs <= 0 ? new("its number of jobs is 0") : default;
    }

    /// <summary>
    /// For each builder whether it may take the job. A job that stays local (<see cref="Job.StaysLocal"/>) is for the local machine alone
    /// where that is part of the farm and may take it. One that asks for cores is for builders that have them, where there is one.
    /// </summary>
    public static IReadOnlyList<Eligibility> OnFarm(Job job, IReadOnlyList<FarmBuilder> farm)
    {
        var result = farm.Select(b => Of(job, b)).ToArray();
        if (job.StaysLocal) StayLocal(job, farm, result);
        if (job.StatedCores > 0) PreferCores(job, farm, result);
        return result;
    }

    private static void StayLocal(Job job, IReadOnlyList<FarmBuilder> farm, Eligibility[] verdicts)
    {
        var local = Enumerable.Range(0, farm.Count).FirstOrDefault(b => farm[b].IsLocal && verdicts[b].IsEligible, -1);
        if (local < 0) return;
        var why = job.IsBuiltin ? "Nix's own builders run locally" : "the derivation asks for a local build (preferLocalBuild)";
        for (var b = 0; b < verdicts.Length; b++)
        {
            if (b != local && verdicts[b].IsEligible) verdicts[b] = new(why);
        }
    }

    private static void PreferCores(Job job, IReadOnlyList<FarmBuilder> farm, Eligibility[] verdicts)
    {
        if (!verdicts.Where((verdict, b) => verdict.IsEligible && LargeEnough.HasCores(farm[b], job)).Any()) return;
        for (var b = 0; b < verdicts.Length; b++)
        {
            if (!verdicts[b].IsEligible || LargeEnough.HasCores(farm[b], job)) continue;
            verdicts[b] = new($"it has {farm[b].MostCores} cores, and another one has the {job.StatedCores} that the derivation asks for");
        }
    }

    private static Eligibility OfEntries(Job job, IReadOnlyList<FarmBuilder> entries)
    {
        var verdicts = entries.Select(entry => Of(job, entry)).ToArray();
        if (verdicts.Any(verdict => verdict.IsEligible)) return default;
        // The entry for the system of the job tells most.
        var telling = Enumerable.Range(0, entries.Count).FirstOrDefault(entry => entries[entry].SpeedOf(job.System) > 0, -1);
        if (telling >= 0) return verdicts[telling];
        return new($"it does not build {job.System} (it builds "
            + $"{string.Join(", ", entries.SelectMany(entry => entry.Systems).Select(system => system.System).Distinct())})");
    }

    private static bool Matches(IReadOnlyList<string> wildcards, string name) =>
        wildcards.Any(w => FileSystemName.MatchesSimpleExpression(w, name));
}
