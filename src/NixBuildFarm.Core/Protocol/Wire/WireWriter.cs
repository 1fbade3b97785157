using System.Buffers;
using System.Buffers.Binary;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Wire;

/// <summary>Encodes the primitives of the worker protocol into memory; its owner sends the bytes.</summary>
internal sealed class WireWriter
{
    private readonly ArrayBufferWriter<byte> buffer = new(4 << 10);

    /// <summary>The bytes since the last <see cref="Clear"/>.</summary>
    public ReadOnlyMemory<byte> Written => buffer.WrittenMemory;

    /// <summary>Empties the buffer.</summary>
    public void Clear() => buffer.ResetWrittenCount();

    /// <summary>8 bytes, the lowest first.</summary>
    public void WriteUInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(buffer.GetSpan(sizeof(ulong)), value);
        buffer.Advance(sizeof(ulong));
    }

    /// <summary>A number that is never negative.</summary>
    public void WriteInt64(long value) => WriteUInt64(checked((ulong)value));

    /// <summary>0 or 1.</summary>
    public void WriteBool(bool value) => WriteUInt64(value ? 1UL : 0);

    /// <summary>Length, bytes, zeros up to a multiple of 8.</summary>
    public void WriteBytes(ReadOnlySpan<byte> bytes)
    {
        WriteInt64(bytes.Length);
        var padded = WireFormat.Padded(bytes.Length);
        var span = buffer.GetSpan(padded)[..padded];
        bytes.CopyTo(span);
        span[bytes.Length..].Clear();
        buffer.Advance(padded);
    }

    /// <summary>A text of Nix, byte for byte as it came.</summary>
    public void WriteString(string text) => WriteBytes(NixText.GetBytes(text));

    /// <summary>Count and texts.</summary>
    public void WriteStrings(IReadOnlyCollection<string> texts)
    {
        WriteInt64(texts.Count);
        foreach (var text in texts) WriteString(text);
    }

    /// <summary>Count and pairs.</summary>
    public void WriteStringMap(IReadOnlyDictionary<string, string> map)
    {
        WriteInt64(map.Count);
        foreach (var (key, value) in map)
        {
            WriteString(key);
            WriteString(value);
        }
    }

    /// <summary>The whole path; empty for none.</summary>
    public void WriteStorePath(StorePath? path) => WriteString(path?.ToString() ?? "");

    /// <summary>Count and paths.</summary>
    public void WriteStorePaths(IReadOnlyCollection<StorePath> paths)
    {
        WriteInt64(paths.Count);
        foreach (var path in paths) WriteStorePath(path);
    }
}
