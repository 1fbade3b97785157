using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol;

/// <summary>What a garbage collection does.</summary>
public enum GarbageCollectionAction
{
    /// <summary>Lists what is alive.</summary>
    ReturnLive = 0,

    /// <summary>Lists what is dead.</summary>
    ReturnDead = 1,

    /// <summary>Deletes what is dead.</summary>
    DeleteDead = 2,

    /// <summary>Deletes the given paths if they are dead.</summary>
    DeleteSpecific = 3,
}

/// <summary>A request to collect garbage.</summary>
public sealed record GarbageCollection
{
    /// <summary>What to do.</summary>
    public required GarbageCollectionAction Action { get; init; }

    /// <summary>The paths to delete, for <see cref="GarbageCollectionAction.DeleteSpecific"/>.</summary>
    public IReadOnlyCollection<StorePath> Paths { get; init; } = [];

    /// <summary>Stop once this many bytes are free; null: no limit.</summary>
    public long? MaxFreed { get; init; }
}

/// <summary>What a garbage collection did.</summary>
/// <param name="Paths">What was listed or deleted: store paths, and other files of the store folder.</param>
/// <param name="BytesFreed">Bytes that were freed.</param>
public sealed record CollectedGarbage(IReadOnlyList<string> Paths, long BytesFreed);
