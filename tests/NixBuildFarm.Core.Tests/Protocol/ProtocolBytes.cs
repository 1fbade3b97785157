using System.Collections;
using System.Text;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary>
/// Writes the bytes of messages down as specifications state them, independent of the code under test: an integer is 8 bytes, a text is its
/// length, its bytes and zeros up to a multiple of 8, a sequence is its count and its items.
/// </summary>
internal static class ProtocolBytes
{
    public static byte[] Of(params object[] items)
    {
        var bytes = new List<byte>();
        foreach (var item in items) Append(bytes, item);
        return [.. bytes];
    }

    /// <summary>Items without a count before them.</summary>
    public static byte[] Concat(params byte[][] parts) => [.. parts.SelectMany(part => part)];

    private static void Append(List<byte> bytes, object item)
    {
        switch (item)
        {
            case int number:
                bytes.AddRange(BitConverter.GetBytes((long)number));
                break;
            case long number:
                bytes.AddRange(BitConverter.GetBytes(number));
                break;
            case ulong number:
                bytes.AddRange(BitConverter.GetBytes(number));
                break;
            case string text:
                Append(bytes, Encoding.UTF8.GetBytes(text));
                break;
            case byte[] text:
                Append(bytes, (long)text.Length);
                bytes.AddRange(text);
                while (bytes.Count % 8 != 0) bytes.Add(0);
                break;
            case ICollection sequence:
                Append(bytes, sequence.Count);
                foreach (var element in sequence) Append(bytes, element);
                break;
            default:
                Append(bytes, item.ToString()!);
                break;
        }
    }
}
