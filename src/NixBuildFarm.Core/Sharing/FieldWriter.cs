using System.Buffers;
using System.Buffers.Binary;
using NixBuildFarm.Store;

namespace NixBuildFarm.Sharing;

/// <summary>Writes fields for a shim to read: the reverse of <see cref="FieldReader"/>.</summary>
internal sealed class FieldWriter
{
    private readonly ArrayBufferWriter<byte> buffer = new();

    /// <summary>Writes a number of 4 bytes.</summary>
    public FieldWriter UInt32(uint number)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(buffer.GetSpan(sizeof(uint)), number);
        buffer.Advance(sizeof(uint));
        return this;
    }

    /// <summary>Writes a number of 8 bytes.</summary>
    public FieldWriter UInt64(ulong number)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(buffer.GetSpan(sizeof(ulong)), number);
        buffer.Advance(sizeof(ulong));
        return this;
    }

    /// <summary>Writes a digest.</summary>
    public FieldWriter Hash(Sha256Hash hash)
    {
        buffer.Write(hash.Bytes);
        return this;
    }

    /// <summary>Writes a string.</summary>
    public FieldWriter Text(ReadOnlySpan<byte> text)
    {
        UInt32((uint)text.Length);
        buffer.Write(text);
        return this;
    }

    /// <summary>Writes how many follow, and each of them.</summary>
    public FieldWriter List<T>(IReadOnlyCollection<T> items, Action<T> write)
    {
        UInt32((uint)items.Count);
        foreach (var item in items) write(item);
        return this;
    }

    /// <summary>All that was written.</summary>
    public byte[] ToArray() => buffer.WrittenSpan.ToArray();
}
