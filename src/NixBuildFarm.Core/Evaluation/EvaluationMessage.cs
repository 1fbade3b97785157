namespace NixBuildFarm.Evaluation;

/// <summary>What kind of thing Nix says while it evaluates.</summary>
public enum EvaluationMessageKind
{
    /// <summary>Something is not as it should be, e.g. <c>Git tree '/src' is dirty</c>.</summary>
    Warning,

    /// <summary>What <c>builtins.trace</c> prints.</summary>
    Trace,

    /// <summary>What Nix does at the moment: it fetches, copies, or builds what the evaluation has to read.</summary>
    Activity,

    /// <summary>Anything else that Nix says, e.g. where it looks for a flake.</summary>
    Note,
}

/// <summary>What Nix says while it evaluates.</summary>
/// <param name="Kind">What kind of thing it is.</param>
/// <param name="Text">Its words, without colour.</param>
public sealed record EvaluationMessage(EvaluationMessageKind Kind, string Text);
