namespace NixBuildFarm.Protocol.Wire;

/// <summary>
/// What a peer may send at most. Lengths are checked against these before anything is allocated, and what is allocated grows with what
/// has arrived, not with what was announced.
/// </summary>
internal static class WireLimits
{
    /// <summary>Bytes of a text: a line of a build log, an error message, a setting.</summary>
    public const int Text = 64 << 20;

    /// <summary>Bytes of a short text: a name, a hash, a signature.</summary>
    public const int Name = 4 << 10;

    /// <summary>Items of a list: more than any store has paths.</summary>
    public const int Items = 16 << 20;
}
