using NixBuildFarm.Errors;
using NixBuildFarm.Observing;

namespace NixBuildFarm.Copying;

/// <summary>
/// Receives what happens while paths are copied. Called from any thread; must return soon. Of <see cref="RunNews"/> it gets decisions,
/// warnings, and <see cref="RunNews.BuilderFailed"/> for a builder that did not get all paths.
/// </summary>
public interface ICopyObserver : IBuildObserver
{
    /// <summary>A path was copied, or was there already.</summary>
    void Copied(NixStorePathCopy copy);

    /// <summary>A path cannot be copied. The others are.</summary>
    void PathFailed(string path, NixBuildFarmException error);

    /// <summary>The copying to a builder has begun, gone on or ended.</summary>
    void Progressed(CopyProgress progress);
}

/// <summary>How far the copying to one builder is.</summary>
/// <param name="To">The builder.</param>
/// <param name="Paths">Paths that it lacked.</param>
/// <param name="CopiedPaths">How many of them it has now.</param>
/// <param name="Bytes">Their size as NARs.</param>
/// <param name="CopiedBytes">How much of that has been sent.</param>
public sealed record CopyProgress(string To, int Paths, int CopiedPaths, long Bytes, long CopiedBytes);
