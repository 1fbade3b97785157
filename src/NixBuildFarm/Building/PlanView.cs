using System.ComponentModel;
using NixBuildFarm.Hosting;
using NixBuildFarm.Planning;

namespace NixBuildFarm.Building;

/// <summary>
/// How plans look. Called by the format files, which hold no logic of their own, with values of objects or of bags of properties.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class PlanView
{
    /// <summary>A moment of a plan; nothing for none.</summary>
    public static string Moment(object? moment) => PropertyBag.As<TimeSpan>(moment) is { Ticks: 0 } ? "0.0 s" : HumanText.Span(moment);

    /// <summary>How long a build takes; a guess has a question mark.</summary>
    public static string Duration(object? duration, object? isGuess) =>
        HumanText.Span(duration) is { Length: > 0 } span && PropertyBag.As<bool>(isGuess) == true ? $"{span}?" : HumanText.Span(duration);

    /// <summary>Its builder, or the other step.</summary>
    public static string Builder(object? plan) =>
        PropertyBag.TextProperty(plan, nameof(NixBuildPlan.Builder)) ?? PropertyBag.TextProperty(plan, nameof(NixBuildPlan.Action)) ?? "";

    /// <summary>The cores of a build.</summary>
    public static string Cores(object? cores) => PropertyBag.As<int>(cores) switch
    {
        null => "",
        0 => "all",
        { } count => $"{count}",
    };

    /// <summary>The result of a policy test.</summary>
    public static string Verdict(object? test) => Is(test, nameof(NixBuilderPolicyTest.IsChosen)) ? "takes it"
        : Is(test, nameof(NixBuilderPolicyTest.Eligible)) ? "may take it"
        : PropertyBag.TextProperty(test, nameof(NixBuilderPolicyTest.Reason)) ?? "";

    private static bool Is(object? owner, string property) => PropertyBag.As<bool>(PropertyBag.Property(owner, property)) == true;
}
