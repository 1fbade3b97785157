using System.Buffers.Binary;

namespace NixBuildFarm.Bench;

/// <summary>A file as a NAR.</summary>
internal static class FileNar
{
    /// <summary>The NAR of a regular file with this content.</summary>
    public static byte[] Of(byte[] content)
    {
        using var nar = new MemoryStream();
        foreach (var word in (string[])["nix-archive-1", "(", "type", "regular", "contents"])
        {
            Write(nar, System.Text.Encoding.UTF8.GetBytes(word));
        }
        Write(nar, content);
        Write(nar, ")"u8);
        return nar.ToArray();
    }

    private static void Write(MemoryStream nar, ReadOnlySpan<byte> text)
    {
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, text.Length);
        nar.Write(length);
        nar.Write(text);
        nar.Write(stackalloc byte[-text.Length & 7]);
    }
}
