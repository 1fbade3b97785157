namespace NixBuildFarm.Protocol.Wire;

/// <summary>Facts that both directions share. [src/libstore/include/nix/store/worker-protocol.hh of NixOS/nix]</summary>
internal static class WireFormat
{
    /// <summary>The client's first word.</summary>
    public const ulong ClientMagic = 0x6e697863;

    /// <summary>The daemon's first word.</summary>
    public const ulong DaemonMagic = 0x6478696f;

    /// <summary>Numbers are 8 bytes long, and texts are filled up to a multiple of that.</summary>
    public const int Alignment = sizeof(ulong);

    /// <summary>A length with its padding.</summary>
    public static int Padded(int length) => (length + Alignment - 1) & -Alignment;

    /// <summary>The padding of a text of this length.</summary>
    public static int Padding(long length) => (int)(-length & (Alignment - 1));
}
