using NixBuildFarm.Builders;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Copying;

/// <summary>Is told what happens while paths are copied. Called from any thread; must return soon.</summary>
public interface ICopyObserver
{
    /// <summary>A path was copied, or was there already.</summary>
    void Copied(NixStorePathCopy copy);

    /// <summary>A path cannot be copied. The others are.</summary>
    void PathFailed(string path, NixBuildFarmException error);

    /// <summary>A builder did not get all that it should. The others do.</summary>
    void BuilderFailed(NixBuilder builder, NixBuildFarmException error);

    /// <summary>A decision was taken, and why.</summary>
    void Decided(string message);

    /// <summary>It goes on, but not as well as it should.</summary>
    void Degraded(string message);

    /// <summary>Something has begun, gone on or ended.</summary>
    void Progressed(CopyProgress progress);
}

/// <summary>How far the copying to one builder is.</summary>
/// <param name="To">The builder.</param>
/// <param name="Paths">Paths that it lacked.</param>
/// <param name="CopiedPaths">How many of them it has now.</param>
/// <param name="Bytes">Their size as NARs.</param>
/// <param name="CopiedBytes">How much of that has been sent.</param>
public sealed record CopyProgress(string To, int Paths, int CopiedPaths, long Bytes, long CopiedBytes);
