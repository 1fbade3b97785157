using System.Buffers.Binary;

namespace NixBuildFarm.Sharing;

/// <summary>What a frame between a shim and the coordinator says.</summary>
internal enum FrameKind : uint
{
    /// <summary>From the broker: the shim is gone, and with it the compiler that it became. To the broker: let it go.</summary>
    Closed = 0,

    /// <summary>A compile is asked for: the tool, the source, and why it has to stay at home, if it has.</summary>
    Hello = 1,

    /// <summary>To the shim: compile at home. From the shim: it does so, and why.</summary>
    Local = 2,

    /// <summary>Describe the unit.</summary>
    Describe = 3,

    /// <summary>A chunk of the description.</summary>
    Unit = 4,

    /// <summary>Send the contents of these files.</summary>
    Send = 5,

    /// <summary>A chunk of the content of a file.</summary>
    Content = 6,

    /// <summary>A chunk of what the compile made.</summary>
    Output = 7,

    /// <summary>The end of the compile: its exit code, and what it said.</summary>
    Result = 8,

    /// <summary>Have patience for so many seconds: a shim that hears nothing compiles at home.</summary>
    Wait = 9,

    /// <summary>From the shim, after a result: the processor time that its compile has cost at home, in microseconds.</summary>
    Spent = 10,
}

/// <summary>A frame between the broker and the coordinator.</summary>
/// <param name="Connection">The shim's number in this broker.</param>
/// <param name="Kind">What it says.</param>
/// <param name="Payload">The rest.</param>
internal readonly record struct BrokerFrame(uint Connection, FrameKind Kind, ReadOnlyMemory<byte> Payload)
{
    /// <summary>Bytes before the payload: connection, kind, length.</summary>
    public const int HeaderSize = 3 * sizeof(uint);

    /// <summary>Reads what stands before a payload.</summary>
    /// <param name="header">That many bytes.</param>
    /// <param name="length">The length of the payload.</param>
    /// <returns>The frame without its payload. The kind may be none that is known.</returns>
    /// <exception cref="OddFrameException">The payload is longer than any may be: this is no broker.</exception>
    public static BrokerFrame ReadHeader(ReadOnlySpan<byte> header, out int length)
    {
        var announced = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        if (announced > SharingLimits.Payload) throw new OddFrameException($"a frame announces {announced} bytes");
        length = (int)announced;
        var kind = (FrameKind)BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
        return new(BinaryPrimitives.ReadUInt32LittleEndian(header), kind, default);
    }

    /// <summary>What stands before the payload.</summary>
    public byte[] Header()
    {
        var header = new byte[HeaderSize];
        BinaryPrimitives.WriteUInt32LittleEndian(header, Connection);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), (uint)Kind);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(8), (uint)Payload.Length);
        return header;
    }
}
