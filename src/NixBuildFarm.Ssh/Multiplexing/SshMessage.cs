using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace NixBuildFarm.Ssh.Multiplexing;

/// <summary>The kinds of messages of SSH's connection protocol that a channel knows [RFC 4254, section 9].</summary>
internal enum SshMessageKind : byte
{
    /// <summary>Asks for a channel.</summary>
    Open = 90,

    /// <summary>The channel is open.</summary>
    OpenConfirmation = 91,

    /// <summary>The channel is refused.</summary>
    OpenFailure = 92,

    /// <summary>The receiver may send more.</summary>
    WindowAdjust = 93,

    /// <summary>Bytes.</summary>
    Data = 94,

    /// <summary>Bytes of the standard error.</summary>
    ExtendedData = 95,

    /// <summary>No bytes follow.</summary>
    Eof = 96,

    /// <summary>The channel is over.</summary>
    Close = 97,

    /// <summary>A request about the channel.</summary>
    Request = 98,

    /// <summary>A request was granted.</summary>
    Success = 99,

    /// <summary>A request was refused.</summary>
    Failure = 100,
}

/// <summary>Writes the fields of a message one after the other [RFC 4251, section 5].</summary>
internal sealed class SshMessageWriter
{
    private readonly ArrayBufferWriter<byte> fields = new();

    /// <summary>The fields.</summary>
    public ReadOnlyMemory<byte> Bytes => fields.WrittenMemory;

    /// <summary>Adds a number.</summary>
    public SshMessageWriter Number(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(fields.GetSpan(sizeof(uint)), value);
        fields.Advance(sizeof(uint));
        return this;
    }

    /// <summary>Adds a truth value.</summary>
    public SshMessageWriter Flag(bool value)
    {
        fields.Write([value ? (byte)1 : (byte)0]);
        return this;
    }

    /// <summary>Adds a text.</summary>
    public SshMessageWriter Text(string value)
    {
        var bytes = Encoding.UTF8.GetBytes(value);
        Number((uint)bytes.Length);
        fields.Write(bytes);
        return this;
    }
}

/// <summary>Reads the fields of a message one after the other.</summary>
/// <param name="fields">The fields.</param>
internal ref struct SshMessageReader(ReadOnlySpan<byte> fields)
{
    private ReadOnlySpan<byte> rest = fields;

    /// <summary>Reads a number.</summary>
    /// <exception cref="InvalidDataException">The message ends before.</exception>
    public uint Number() => BinaryPrimitives.ReadUInt32BigEndian(Take(sizeof(uint)));

    /// <summary>Reads a truth value.</summary>
    /// <exception cref="InvalidDataException">The message ends before.</exception>
    public bool Flag() => Take(1)[0] != 0;

    /// <summary>Reads bytes with their count before them.</summary>
    /// <exception cref="InvalidDataException">The message ends before.</exception>
    public ReadOnlySpan<byte> Bytes() => Take(Number());

    /// <summary>Reads a text.</summary>
    /// <exception cref="InvalidDataException">The message ends before.</exception>
    public string Text() => Encoding.UTF8.GetString(Bytes());

    private ReadOnlySpan<byte> Take(uint count)
    {
        if (count > rest.Length) throw new InvalidDataException("A message of the ssh program ends too early.");
        var taken = rest[..(int)count];
        rest = rest[(int)count..];
        return taken;
    }
}
