namespace NixBuildFarm.Deciding;

/// <summary>How the builder is that an error names.</summary>
internal enum SuspectState
{
    /// <summary>The error names no builder of the farm.</summary>
    None,

    /// <summary>It answers: a single connection broke, or a new one was refused.</summary>
    Answers,

    /// <summary>It is lost.</summary>
    Lost,
}
