using System.Buffers;
using NixBuildFarm.Text;

namespace NixBuildFarm.Store;

/// <summary>
/// Nix's own base 32: digits and lower-case letters without e, o, u, t, the last bits first.
/// </summary>
/// <remarks>Encoding: Nix's <c>src/libutil/base-nix-32.cc</c>. The bytes are one number, the first byte its lowest.</remarks>
internal static class NixBase32
{
    private const string Digits = "0123456789abcdfghijklmnpqrsvwxyz";
    private const int BitsPerDigit = 5;

    internal static readonly SearchValues<char> Alphabet = SearchValues.Create(Digits);

    /// <summary>How many digits so many bytes take.</summary>
    public static int LengthOf(int bytes) => (bytes * 8 + BitsPerDigit - 1) / BitsPerDigit;

    /// <summary>Writes bytes in base 32.</summary>
    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        var text = new char[LengthOf(bytes.Length)];
        for (var digit = 0; digit < text.Length; digit++)
        {
            var (index, shift) = Math.DivRem(digit * BitsPerDigit, 8);
            var next = index + 1 < bytes.Length ? bytes[index + 1] : 0;
            text[^(digit + 1)] = Digits[(bytes[index] | next << 8) >> shift & 31];
        }
        return new string(text);
    }

    /// <summary>Decodes the output of <see cref="Encode"/>, and nothing else.</summary>
    /// <exception cref="FormatException">A character is no digit, or the digits encode no whole number of bytes.</exception>
    public static byte[] Decode(ReadOnlySpan<char> text)
    {
        var bytes = new byte[text.Length * BitsPerDigit / 8];
        if (LengthOf(bytes.Length) != text.Length) throw Wrong(text, $"no bytes give {text.Length} digits");
        for (var digit = 0; digit < text.Length; digit++)
        {
            var value = Digits.IndexOf(text[^(digit + 1)]);
            if (value < 0) throw Wrong(text, $"it has a character that is no digit at {text.Length - digit - 1}");
            var (index, shift) = Math.DivRem(digit * BitsPerDigit, 8);
            var bits = value << shift;
            bytes[index] |= (byte)bits;
            if (index + 1 < bytes.Length) bytes[index + 1] |= (byte)(bits >> 8);
            else if (bits >> 8 != 0) throw Wrong(text, "its first digit is too large");
        }
        return bytes;
    }

    private static FormatException Wrong(ReadOnlySpan<char> text, string problem) =>
        new($"“{Printable.Replaced(text.ToString())}” is not Nix's base 32: {problem}.");
}
