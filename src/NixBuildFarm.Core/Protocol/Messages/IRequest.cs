using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>A request to a daemon: how it is written, and how the reply to it is read.</summary>
internal interface IRequest<TReply>
{
    /// <summary>Its number, which is written before it.</summary>
    WorkerOperation Operation { get; }

    /// <summary>Writes the arguments, after the operation's number.</summary>
    void Write(WireWriter writer, ProtocolVersion version);

    /// <summary>Reads the reply, after the last stderr frame.</summary>
    ValueTask<TReply> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation);
}

/// <summary>The reply of requests that ask for nothing.</summary>
internal readonly struct Done
{
    /// <summary>No reply at all.</summary>
    public static ValueTask<Done> Nothing => default;

    /// <summary>A number that says only that it is done.</summary>
    public static async ValueTask<Done> ReadAsync(WireReader reader, CancellationToken cancellation)
    {
        await reader.ReadUInt64Async(cancellation);
        return default;
    }
}
