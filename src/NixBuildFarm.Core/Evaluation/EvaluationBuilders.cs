using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;

namespace NixBuildFarm.Evaluation;

/// <summary>The builders of a run as Nix's own setting <c>builders</c>, for derivations that the evaluation itself needs built.</summary>
internal static class EvaluationBuilders
{
    /// <summary>Nix before 2.19 knows whole speeds only.</summary>
    private const double Scale = 100;

    /// <summary>The value of the setting: an entry for each that a machines list can hold.</summary>
    public static string Setting(IEnumerable<NixBuilder> builders) => string.Join(
        " ; ",
        builders.Where(
            builder => !builder.IsLocal && builder is { MaxJobs: > 0, Policy.Drain: not true } && MachineListWriter.WhyNot(builder) is null)
            .Select(builder => MachineListWriter.Line(builder, Math.Max(1, Math.Round(Scale * builder.SpeedFactor)))));
}
