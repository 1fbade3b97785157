using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Times of a peer, in seconds since 1970.</summary>
internal static class UnixTime
{
    private static readonly ulong Latest = (ulong)DateTimeOffset.MaxValue.ToUnixTimeSeconds();

    public static DateTimeOffset FromSeconds(ulong seconds) =>
        seconds <= Latest ? DateTimeOffset.FromUnixTimeSeconds((long)seconds) : throw new WireException($"{seconds} is no time.");
}
