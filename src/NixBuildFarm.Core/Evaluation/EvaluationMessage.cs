namespace NixBuildFarm.Evaluation;

/// <summary>The kinds of messages of an evaluation.</summary>
public enum EvaluationMessageKind
{
    /// <summary>Something is not as it should be, e.g. <c>Git tree '/src' is dirty</c>.</summary>
    Warning,

    /// <summary>Output of <c>builtins.trace</c>.</summary>
    Trace,

    /// <summary>An activity of Nix: a fetch, a copy, or a build that the evaluation needs.</summary>
    Activity,

    /// <summary>Anything else that Nix says, e.g. where it looks for a flake.</summary>
    Note,
}

/// <summary>A message of Nix during an evaluation.</summary>
/// <param name="Kind">The kind of message.</param>
/// <param name="Text">Its words, without colour.</param>
public sealed record EvaluationMessage(EvaluationMessageKind Kind, string Text);
