namespace NixBuildFarm.Testing;

/// <summary>The result of a small real build for one of a builder's systems.</summary>
public sealed class NixBuilderSystemTest
{
    /// <summary>The system, e.g. <c>riscv64-linux</c>.</summary>
    public required string System { get; init; }

    /// <summary>Whether it was built.</summary>
    public required bool Success { get; init; }

    /// <summary>
    /// Whether the machine's own processor cannot run such programs, so that something emulates them; null where that is not known.
    /// </summary>
    public bool? IsEmulated { get; init; }

    /// <summary>How long the build took, from the request to the answer.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>The same in seconds, for Measure-Object.</summary>
    public double Seconds => Duration.TotalSeconds;

    /// <summary>
    /// Speed of the test program relative to the builder's own system; null where it is not known. The program is a loop of two
    /// instructions: real builds differ, and their speeds are learnt.
    /// </summary>
    public double? Speed { get; init; }

    /// <summary>Why it was not built; null where it was.</summary>
    public string? Error { get; init; }

    /// <summary>The system and its result.</summary>
    public override string ToString() => this switch
    {
        { Success: false } => $"{System}: failed",
        { IsEmulated: true, Speed: { } speed } => FormattableString.Invariant($"{System}: emulated, {speed:0.00} of native speed"),
        { IsEmulated: true } => $"{System}: emulated",
        { IsEmulated: false } => $"{System}: native",
        _ => $"{System}: built",
    };
}
