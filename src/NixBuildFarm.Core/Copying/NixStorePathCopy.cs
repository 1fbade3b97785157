using NixBuildFarm.Store;

namespace NixBuildFarm.Copying;

/// <summary>The result for one path at one destination.</summary>
public enum StorePathCopyStatus
{
    /// <summary>It was copied.</summary>
    Copied,

    /// <summary>It was there before.</summary>
    AlreadyValid,
}

/// <summary>One store path that was copied to one builder, or was there already.</summary>
public sealed class NixStorePathCopy
{
    /// <summary>How it came to be there.</summary>
    public required StorePathCopyStatus Status { get; init; }

    /// <summary>The store path.</summary>
    public required string Path { get; init; }

    /// <summary>The builder that it came from; null when it was there before.</summary>
    public string? From { get; init; }

    /// <summary>The builder that has it now.</summary>
    public required string To { get; init; }

    /// <summary>Its size in bytes, as a NAR.</summary>
    public required long NarSize { get; init; }

    /// <summary>Whether the user named it, rather than something that refers to it.</summary>
    public required bool IsRequested { get; init; }

    /// <summary>The path without its hash, e.g. <c>hello-2.12</c>.</summary>
    public string Name => StorePath.Parse(Path).Name;

    /// <summary>The path.</summary>
    public override string ToString() => Path;
}
