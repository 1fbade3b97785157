namespace NixBuildFarm.Protocol.Wire;

/// <summary>
/// A peer violated its protocol, or ended in the middle of a message. A type of its own, so that errors of the caller's streams and
/// callbacks are never taken for the peer's.
/// </summary>
internal sealed class WireException(string message, bool isEndOfStream = false, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether the bytes ended too early, rather than being wrong.</summary>
    public bool IsEndOfStream => isEndOfStream;

    /// <summary>The bytes ended too early.</summary>
    public static WireException Ended() => new("The stream ended in the middle of a message.", isEndOfStream: true);
}
