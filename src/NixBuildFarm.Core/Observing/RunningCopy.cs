namespace NixBuildFarm.Observing;

/// <summary>A store path that is copied between two stores.</summary>
/// <param name="Id">Tells it from all other copies of this process.</param>
/// <param name="Path">The path.</param>
/// <param name="From">The URI of the store that gives it; <c>local</c>: this machine's.</param>
/// <param name="To">The URI of the store that takes it, as above.</param>
public sealed record RunningCopy(long Id, string Path, string From, string To)
{
    /// <summary>The size of its NAR in bytes; 0: not known yet.</summary>
    public long Bytes { get; init; }

    /// <summary>How many bytes have been sent.</summary>
    public long Sent { get; init; }

    /// <summary>Whether it has arrived or failed.</summary>
    public CopyState State { get; init; }

    /// <summary>The derivation that needs it there; null: nobody in particular, since it is copied home.</summary>
    public string? DerivationPath { get; init; }

    /// <summary>Tells which copies are of one stream.</summary>
    public long Shipment { get; init; }

    /// <summary>How many paths of the same stream have not begun.</summary>
    public int Following { get; init; }
}

/// <summary>Where a copy stands.</summary>
public enum CopyState
{
    /// <summary>It goes on.</summary>
    UnderWay,

    /// <summary>The path is there.</summary>
    Arrived,

    /// <summary>It has ended without that.</summary>
    Failed,
}
