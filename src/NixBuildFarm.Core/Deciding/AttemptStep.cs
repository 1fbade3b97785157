namespace NixBuildFarm.Deciding;

/// <summary>
/// How far an attempt is:
/// <code>
///   Supplying ──► Building ──► Ended
///       │             │
///       └─────────────┴──────► CalledOff
/// </code>
/// Either of the first two may also end without a result, when inputs, a connection or a builder fail.
/// </summary>
internal enum AttemptStep
{
    /// <summary>Its inputs are on their way to the builder.</summary>
    Supplying,

    /// <summary>The builder builds.</summary>
    Building,

    /// <summary>It has a result, or has failed.</summary>
    Ended,

    /// <summary>The run ended it: another attempt was first, or its builder was lost.</summary>
    CalledOff,
}

/// <summary>Names steps.</summary>
internal static class AttemptSteps
{
    /// <summary>A step as users see it.</summary>
    public static string InWords(this AttemptStep step) => step switch
    {
        AttemptStep.Supplying => "supplying",
        AttemptStep.Building => "building",
        AttemptStep.Ended => "ended",
        _ => "called off",
    };
}
