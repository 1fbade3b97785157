using NixBuildFarm.Builders;

namespace NixBuildFarm.Testing;

/// <summary>The state that a test found a builder in.</summary>
public enum NixBuilderState
{
    /// <summary>It is ready to build.</summary>
    Online,

    /// <summary>No answer.</summary>
    Unreachable,

    /// <summary>It refused every key.</summary>
    AuthenticationFailed,

    /// <summary>Its host key is unknown or not the expected one.</summary>
    HostKeyMismatch,

    /// <summary>Nix does not start there.</summary>
    NoNix,

    /// <summary>It answers, but the login is not one of its trusted users.</summary>
    Untrusted,

    /// <summary>It does not speak a protocol that is understood.</summary>
    Incompatible,

    /// <summary>It builds, but not all that its configuration here claims.</summary>
    Degraded,
}

/// <summary>A finding of a test, and the recommendation.</summary>
/// <param name="Message">The fault.</param>
/// <param name="Recommendation">The recommendation.</param>
public sealed record NixBuilderFinding(string Message, string? Recommendation)
{
    /// <summary>The message.</summary>
    public override string ToString() => Message;
}

/// <summary>The result of a test of one builder.</summary>
public sealed class NixBuilderTest
{
    /// <summary>The builder's name.</summary>
    public string Name => Builder.Name;

    /// <summary>The builder that was tested; goes on through the pipeline into a build.</summary>
    public required NixBuilder Builder { get; init; }

    /// <summary>Whether it can be used: it is online, or at least degraded.</summary>
    public bool Success => State is NixBuilderState.Online or NixBuilderState.Degraded;

    /// <summary>Its state.</summary>
    public required NixBuilderState State { get; init; }

    /// <summary>The time of one question and its answer; null when there was none.</summary>
    public TimeSpan? Latency { get; init; }

    /// <summary>The version of its Nix, where it tells.</summary>
    public string? NixVersion { get; init; }

    /// <summary>The protocol version spoken with it.</summary>
    public string? Protocol { get; init; }

    /// <summary>Whether it trusts the login; null when it could not be asked.</summary>
    public bool? Trusted { get; init; }

    /// <summary>Its own system, as it says itself.</summary>
    public string? System { get; init; }

    /// <summary>Its own features, as it says itself.</summary>
    public IReadOnlyList<string> Features { get; init; } = [];

    /// <summary>The cores of the machine, where it tells.</summary>
    public int? Cores { get; init; }

    /// <summary>The main memory of the machine, in bytes, where it tells.</summary>
    public long? Memory { get; init; }

    /// <summary>How many processes ran or wanted to, on the average of the last minute, where the machine tells.</summary>
    public double? Load { get; init; }

    /// <summary>Free space of its store, in bytes, if it reports it.</summary>
    public long? StoreFree { get; init; }

    /// <summary>The results of the builds for its systems; empty if none were requested.</summary>
    public IReadOnlyList<NixBuilderSystemTest> Builds { get; init; } = [];

    /// <summary>The faults, the most severe first.</summary>
    public IReadOnlyList<NixBuilderFinding> Findings { get; init; } = [];

    /// <summary>Name and state.</summary>
    public override string ToString() => $"{Name}: {State}";
}
