using System.Runtime.InteropServices;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol;

/// <summary>A version of the worker protocol, e.g. 1.35; on the wire <c>major &lt;&lt; 8 | minor</c>.</summary>
/// <param name="Major">1 for every Nix there is.</param>
/// <param name="Minor">Grows with each change of a message's layout.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ProtocolVersion(byte Major, byte Minor) : IComparable<ProtocolVersion>
{
    /// <summary>The oldest version that is spoken here: Nix 2.4.</summary>
    public static readonly ProtocolVersion Oldest = new(1, 32);

    /// <summary>The newest version that is spoken here: Nix 2.24 and later.</summary>
    public static readonly ProtocolVersion Newest = new(1, 38);

    /// <summary>From here on the daemon says its version of Nix.</summary>
    public static readonly ProtocolVersion WithNixVersion = new(1, 33);

    /// <summary>From here on the daemon says whether it trusts the client.</summary>
    public static readonly ProtocolVersion WithTrust = new(1, 35);

    /// <summary>From here on results have processor times.</summary>
    public static readonly ProtocolVersion WithProcessorTimes = new(1, 37);

    /// <summary>From here on both sides say which optional features they have.</summary>
    public static readonly ProtocolVersion WithFeatures = new(1, 38);

    /// <inheritdoc/>
    public int CompareTo(ProtocolVersion other) => ToWire().CompareTo(other.ToWire());

    /// <summary>Both numbers with a dot.</summary>
    public override string ToString() => $"{Major}.{Minor}";

#pragma warning disable CS1591 // The operators say what their names say.
    public static bool operator <(ProtocolVersion left, ProtocolVersion right) => left.CompareTo(right) < 0;
    public static bool operator >(ProtocolVersion left, ProtocolVersion right) => left.CompareTo(right) > 0;
    public static bool operator <=(ProtocolVersion left, ProtocolVersion right) => left.CompareTo(right) <= 0;
    public static bool operator >=(ProtocolVersion left, ProtocolVersion right) => left.CompareTo(right) >= 0;
#pragma warning restore CS1591

    internal ulong ToWire() => ((ulong)Major << 8) | Minor;

    internal static ProtocolVersion FromWire(ulong value) =>
        value <= ushort.MaxValue
            ? new((byte)(value >> 8), (byte)value)
            : throw new WireException($"0x{value:x} is no protocol version.");
}
