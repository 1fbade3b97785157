using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol;

/// <summary>What a daemon would have to build and fetch for some paths.</summary>
/// <param name="WillBuild">Derivations to build.</param>
/// <param name="WillSubstitute">Paths that a substituter has.</param>
/// <param name="Unknown">Paths that no store has and no derivation builds.</param>
/// <param name="DownloadSize">Bytes to download, compressed.</param>
/// <param name="NarSize">Bytes that they unpack to.</param>
internal sealed record MissingPaths(
    IReadOnlySet<StorePath> WillBuild,
    IReadOnlySet<StorePath> WillSubstitute,
    IReadOnlySet<StorePath> Unknown,
    long DownloadSize,
    long NarSize);
