using System.ComponentModel;
using NixBuildFarm.Planning;

namespace NixBuildFarm.Views;

/// <summary>How plans look. Called by the format files, which hold no logic of their own.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class PlanView
{
    /// <summary>A moment of a plan; nothing for none.</summary>
    public static string Moment(TimeSpan? moment) => moment switch
    {
        null => "",
        { Ticks: 0 } => "0.0 s",
        { } span => Display.Span(span),
    };

    /// <summary>Where it is built, or what else becomes of it.</summary>
    public static string Builder(NixBuildPlan plan) => plan.Builder ?? plan.Action.ToString();

    /// <summary>The cores of a build.</summary>
    public static string Cores(NixBuildPlan plan) => plan.Cores is 0 ? "all" : $"{plan.Cores}";

    /// <summary>What a test of a builder came to.</summary>
    public static string Verdict(NixBuilderPolicyTest test) => test switch
    {
        { IsChosen: true } => "takes it",
        { Eligible: true } => "may take it",
        _ => test.Reason ?? "",
    };
}
