using System.Runtime.InteropServices;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol;

/// <summary>
/// A version of the worker protocol, e.g. 1.35; on the wire <c>major &lt;&lt; 8 | minor</c>. From 1.38 on new layouts come as features, and
/// the numbers stay. [src/libstore/include/nix/store/worker-protocol.hh of NixOS/nix]
/// </summary>
/// <param name="Major">1 for every Nix there is.</param>
/// <param name="Minor">Grows with each change of a message's layout.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ProtocolVersion(byte Major, byte Minor) : IComparable<ProtocolVersion>
{
    /// <summary>The oldest version that is spoken here: Nix 2.4.</summary>
    public static readonly ProtocolVersion Oldest = new(1, 32);

    /// <summary>The newest version that is spoken here: Nix 2.24 and later, with the feature of Nix 2.35.</summary>
    public static readonly ProtocolVersion Newest = new(1, 38) { HasRealisationsByPath = true };

    /// <summary>From here on the daemon says its version of Nix.</summary>
    public static readonly ProtocolVersion WithNixVersion = new(1, 33);

    /// <summary>From here on the daemon says whether it trusts the client.</summary>
    public static readonly ProtocolVersion WithTrust = new(1, 35);

    /// <summary>From here on results have processor times.</summary>
    public static readonly ProtocolVersion WithProcessorTimes = new(1, 37);

    /// <summary>From here on both sides say which optional features they have.</summary>
    public static readonly ProtocolVersion WithFeatures = new(1, 38);

    /// <summary>The feature that is spoken here.</summary>
    private const string RealisationsByPath = "realisation-with-path-not-hash";

    /// <summary>
    /// Whether realisations are named by the path of a resolved derivation, and not by a hash: Nix 2.35 and later. Such a daemon takes or
    /// gives them in no other way: it would take what follows for the next request.
    /// </summary>
    public bool HasRealisationsByPath { get; init; }

    /// <summary>The features, as both sides name them.</summary>
    public IReadOnlyList<string> Features => HasRealisationsByPath ? [RealisationsByPath] : [];

    /// <summary>The same version with those of its features that the other side has too.</summary>
    public ProtocolVersion SharedWith(IReadOnlyCollection<string> features) =>
        this with { HasRealisationsByPath = HasRealisationsByPath && features.Contains(RealisationsByPath) };

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
