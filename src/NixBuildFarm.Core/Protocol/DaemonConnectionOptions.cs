using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol;

/// <summary>Options of a connection to a daemon.</summary>
internal sealed record DaemonConnectionOptions
{
    /// <summary>The builder's name, for messages.</summary>
    public required string Builder { get; init; }

    /// <summary>How long the greeting may take in all, start of the daemon's process included.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Settings for the whole connection, sent along with the greeting, in no round trip of their own; null: the daemon's own.
    /// </summary>
    public DaemonOptions? Settings { get; init; }

    /// <summary>The newest version of the protocol to offer, with its features.</summary>
    public ProtocolVersion NewestVersion { get; init; } = ProtocolVersion.Newest;

    /// <summary>Receives the daemon's messages during requests without a sink of their own.</summary>
    public Action<DaemonMessage>? Sink { get; init; }

    /// <summary>The last lines that the remote program wrote to its standard error, asked for when the connection fails.</summary>
    public Func<string>? ErrorOutput { get; init; }

    /// <summary>
    /// Bytes that are read or written at once at most. More of them cost less processor time where NARs pass, and memory elsewhere.
    /// </summary>
    internal int BufferSize { get; init; } = WireReader.DefaultBufferSize;

    /// <summary>The clock of the time limit.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
