using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol;

/// <summary>How a build ended. [src/libstore/include/nix/store/build-result.hh of NixOS/nix]</summary>
internal enum BuildStatus
{
    /// <summary>Built.</summary>
    Built = 0,

    /// <summary>Fetched from a substituter.</summary>
    Substituted = 1,

    /// <summary>Its outputs were valid before.</summary>
    AlreadyValid = 2,

    /// <summary>The builder program failed.</summary>
    PermanentFailure = 3,

    /// <summary>An input does not match the derivation.</summary>
    InputRejected = 4,

    /// <summary>An output is missing, or does not match the derivation.</summary>
    OutputRejected = 5,

    /// <summary>It may work another time, e.g. after a full disk.</summary>
    TransientFailure = 6,

    /// <summary>It failed before (no longer used by Nix).</summary>
    CachedFailure = 7,

    /// <summary>It was silent, or ran, for too long.</summary>
    TimedOut = 8,

    /// <summary>Anything else, e.g. a system that the machine cannot build for.</summary>
    MiscFailure = 9,

    /// <summary>Something that it needs failed.</summary>
    DependencyFailed = 10,

    /// <summary>It printed too much.</summary>
    LogLimitExceeded = 11,

    /// <summary>A second build gave another result.</summary>
    NotDeterministic = 12,

    /// <summary>It is the same as another derivation, whose outputs are valid.</summary>
    ResolvesToAlreadyValid = 13,

    /// <summary>It can only be substituted, and no substituter has it.</summary>
    NoSubstituters = 14,
}

/// <summary>The daemon's result of one build.</summary>
internal sealed record BuildResult
{
    /// <summary>How it ended; a value that has no name here is a failure of a kind that only a newer Nix knows.</summary>
    public required BuildStatus Status { get; init; }

    /// <summary>Why it failed, without terminal control; empty when it did not.</summary>
    public string ErrorMessage { get; init; } = "";

    /// <summary>How often it was built.</summary>
    public int TimesBuilt { get; init; }

    /// <summary>Whether two builds differed.</summary>
    public bool IsNonDeterministic { get; init; }

    /// <summary>When it began by the daemon's clock, in whole seconds; null: it does not say.</summary>
    public DateTimeOffset? StartTime { get; init; }

    /// <summary>When it ended by the daemon's clock, in whole seconds; null: it does not say.</summary>
    public DateTimeOffset? StopTime { get; init; }

    /// <summary>Processor time of its own code; null: the daemon does not say.</summary>
    public TimeSpan? CpuUser { get; init; }

    /// <summary>Processor time in the kernel; null: the daemon does not say.</summary>
    public TimeSpan? CpuSystem { get; init; }

    /// <summary>Processor time in all; null: the daemon does not say.</summary>
    public TimeSpan? ProcessorTime => CpuUser is null && CpuSystem is null ? null : (CpuUser ?? default) + (CpuSystem ?? default);

    /// <summary>
    /// The outputs by name, as far as the daemon says: Nix leaves it empty where the paths were known before. It may be false, as all that
    /// a daemon says.
    /// </summary>
    public IReadOnlyDictionary<string, StorePath> BuiltOutputs { get; init; } = new Dictionary<string, StorePath>();

    /// <summary>Whether the outputs are there.</summary>
    public bool IsSuccess =>
        Status is BuildStatus.Built or BuildStatus.Substituted or BuildStatus.AlreadyValid or BuildStatus.ResolvesToAlreadyValid;
}

/// <summary>One of several results.</summary>
/// <param name="Path">The requested path.</param>
/// <param name="Result">Its result.</param>
internal sealed record KeyedBuildResult(DerivedPath Path, BuildResult Result);
