using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace NixBuildFarm.Store;

/// <summary>
/// Nix's strings are bytes, mostly UTF-8. Here they are strings that lose nothing: a byte that is no part of valid UTF-8 becomes
/// the lone surrogate U+DC80 to U+DCFF that ends in it (as Python's PEP 383 does), which no valid UTF-8 yields.
/// </summary>
internal static class NixText
{
    private const char FirstSurrogate = '\uD800';
    private const char LastSurrogate = '\uDFFF';
    private const char EscapeBase = '\uDC00';

    /// <summary>Orders strings as Nix does: by their bytes, which is not the order of UTF-16.</summary>
    public static IComparer<string> Order { get; } = Comparer<string>.Create(Compare);

    /// <summary>The string of any bytes.</summary>
    public static string GetString(ReadOnlySpan<byte> bytes) => Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : Escape(bytes);

    /// <summary>The bytes of a string: those that it was made of.</summary>
    /// <exception cref="ArgumentException">The string has a lone surrogate that stands for no byte.</exception>
    public static byte[] GetBytes(string text) => HasSurrogates(text) ? Unescape(text) : Encoding.UTF8.GetBytes(text);

    /// <summary>Compares the bytes of two strings.</summary>
    public static int Compare(string? left, string? right) =>
        left is null || right is null || !(HasSurrogates(left) || HasSurrogates(right))
            ? string.CompareOrdinal(left, right)
            : GetBytes(left).AsSpan().SequenceCompareTo(GetBytes(right));

    private static bool HasSurrogates(string text) => text.AsSpan().IndexOfAnyInRange(FirstSurrogate, LastSurrogate) >= 0;

    private static string Escape(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        Span<char> utf16 = stackalloc char[2];
        while (!bytes.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(bytes, out var rune, out var consumed) == OperationStatus.Done)
            {
                text.Append(utf16[..rune.EncodeToUtf16(utf16)]);
            }
            else
            {
                foreach (var b in bytes[..consumed]) text.Append((char)(EscapeBase + b));
            }
            bytes = bytes[consumed..];
        }
        return text.ToString();
    }

    private static byte[] Unescape(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        var count = 0;
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(text, out var rune, out var consumed) == OperationStatus.Done)
            {
                count += rune.EncodeToUtf8(bytes.AsSpan(count));
            }
            else
            {
                var escaped = text[0] - EscapeBase;
                if (escaped is < 0x80 or > 0xFF) throw new ArgumentException($"U+{(int)text[0]:X4} stands for no byte.", nameof(text));
                bytes[count++] = (byte)escaped;
            }
            text = text[consumed..];
        }
        return bytes[..count];
    }
}
