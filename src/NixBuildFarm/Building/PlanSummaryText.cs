using NixBuildFarm.Hosting;
using NixBuildFarm.Planning;

namespace NixBuildFarm.Building;

/// <summary>What a plan comes to, in a few lines: the answer to “how long will it take?”.</summary>
internal static class PlanSummaryText
{
    /// <summary>The tag of these lines in the information stream.</summary>
    public const string Tag = "NixBuildPlanSummary";

    private const int BuildersShown = 6;

    /// <summary>The lines.</summary>
    public static IEnumerable<string> Of(RunPlan plan)
    {
        var builds = plan.Steps.Where(step => step.Action == NixBuildPlanAction.Build).ToArray();
        yield return Todo(plan, builds.Length);
        var refused = plan.Steps.Count(step => step.Action == NixBuildPlanAction.NoEligibleBuilder);
        var without = plan.Steps.Count(step => step.Action == NixBuildPlanAction.DependencyFailed);
        if (refused + without > 0)
        {
            yield return $"{HumanText.Count(refused + without, "derivation")} cannot be built: no builder may take {refused} of them, "
                + "and the rest needs these.";
        }
        if (builds.Length == 0 || plan.Outlook.Span is not { } span) yield break;
        yield return $"{Duration(plan.Outlook, span, builds)} {Places(builds)}{Sent(plan.Outlook)}";
        var guesses = builds.Count(step => step.IsGuess);
        if (guesses > 0 && guesses < builds.Length)
        {
            yield return $"{guesses} of {builds.Length} durations are guesses, marked with “?”: no build of these packages is known.";
        }
    }

    private static string Todo(RunPlan plan, int builds)
    {
        var (paths, outlook) = (plan.Outlook.FetchedPaths, plan.Outlook);
        var fetched = $"{HumanText.Count(paths, "path")} will be fetched ({HumanText.Bytes(outlook.DownloadBytes)} download, "
            + $"{HumanText.Bytes(outlook.UnpackedBytes)} unpacked)";
        return (builds, paths) switch
        {
            (0, 0) => "Nothing will be built or fetched.",
            (_, 0) => $"{HumanText.Count(builds, "derivation")} will be built.",
            (0, _) => $"{fetched}.",
            _ => $"{HumanText.Count(builds, "derivation")} will be built, {fetched}.",
        };
    }

    /// <summary>Where every duration is a guess there is no number: it would look like knowledge.</summary>
    private static string Duration(PlanOutlook outlook, PlanSpan span, NixBuildPlan[] builds)
    {
        if (builds.All(step => step.IsGuess)) return "How long that takes is not known, as no build of these packages is.";
        var range = $"{HumanText.Span(span.Least)} to {HumanText.Span(span.Most)}";
        return outlook.IsGuess
            ? $"That takes perhaps {range}, which is a guess for the greater part."
            : $"That takes about {HumanText.Span(span.Middle)} ({range} in eight runs of ten).";
    }

    private static string Places(NixBuildPlan[] builds)
    {
        var places = builds.GroupBy(step => step.Builder).OrderByDescending(own => own.Count()).ToArray();
        var named = string.Join(", ", places.Take(BuildersShown).Select(own => $"{own.Key} ({own.Count()})"));
        return places.Length > BuildersShown
            ? $"Planned on {named} and {places.Length - BuildersShown} more builders."
            : $"Planned on {named}.";
    }

    private static string Sent(PlanOutlook outlook)
    {
        var bytes = outlook.InputBytes.Values.Sum();
        return bytes > 0
            ? $" At most {HumanText.Bytes(bytes)} of inputs will be sent: what the builders have already is not."
            : "";
    }
}
