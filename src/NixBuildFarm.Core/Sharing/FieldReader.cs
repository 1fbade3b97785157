using System.Buffers.Binary;
using NixBuildFarm.Store;

namespace NixBuildFarm.Sharing;

/// <summary>Reads the fields that a shim has written: numbers, the least byte first, and strings with their lengths before them.</summary>
/// <param name="data">All of it.</param>
internal sealed class FieldReader(ReadOnlyMemory<byte> data)
{
    private int position;

    /// <summary>How much is left, in bytes.</summary>
    public int Left => data.Length - position;

    /// <summary>Reads a number of 4 bytes.</summary>
    /// <exception cref="OddFrameException">There is none.</exception>
    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)).Span);

    /// <summary>Reads a number of 8 bytes.</summary>
    /// <exception cref="OddFrameException">There is none.</exception>
    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)).Span);

    /// <summary>Reads a number that says yes or no.</summary>
    /// <exception cref="OddFrameException">It says neither.</exception>
    public bool ReadFlag() => ReadUInt32() switch
    {
        0 => false,
        1 => true,
        var other => throw new OddFrameException($"0 or 1 expected, but found {other}"),
    };

    /// <summary>Reads a digest.</summary>
    /// <exception cref="OddFrameException">There is none.</exception>
    public Sha256Hash ReadHash() => new(Take(Sha256Hash.Length).Span);

    /// <summary>Reads the number of things that follow.</summary>
    /// <param name="smallest">The fewest bytes that one of them takes: more than there is room for cannot follow.</param>
    /// <exception cref="OddFrameException">There is no room for them.</exception>
    public int ReadCount(int smallest)
    {
        var count = ReadUInt32();
        return count <= Left / smallest ? (int)count : throw new OddFrameException($"{count} things are announced in {Left} bytes");
    }

    /// <summary>Reads a string as it may be given to a program.</summary>
    /// <exception cref="OddFrameException">There is none, or it has a NUL.</exception>
    public ReadOnlyMemory<byte> ReadText()
    {
        var length = ReadUInt32();
        if (length > Left) throw new OddFrameException($"a text of {length} bytes is announced in {Left}");
        var text = Take((int)length);
        return text.Span.Contains((byte)0) ? throw new OddFrameException("a text has a NUL in it") : text;
    }

    /// <summary>Reads all that is left.</summary>
    public ReadOnlyMemory<byte> ReadRest() => Take(Left);

    /// <summary>Says that nothing may be left.</summary>
    /// <exception cref="OddFrameException">Something is.</exception>
    public void End()
    {
        if (Left > 0) throw new OddFrameException($"{Left} bytes are left over");
    }

    private ReadOnlyMemory<byte> Take(int count)
    {
        if (count > Left) throw new OddFrameException($"{count} bytes expected, but {Left} are left");
        var taken = data.Slice(position, count);
        position += count;
        return taken;
    }
}
