using System.Buffers.Binary;

namespace NixBuildFarm.Fuzz.Tests;

/// <summary>Makes broken inputs of sound ones. The same random numbers make the same inputs.</summary>
internal sealed class Mutator(Random random, IReadOnlyList<byte[]> sound)
{
    private const int Longest = 64 * 1024;
    private const int MostChanges = 6;

    // Lengths and counts that are at the edge of something.
    private static readonly ulong[] Numbers =
    [
        0, 1, 7, 8, 9, 127, 255, 256, 65_535, 1UL << 20, (1UL << 24) + 1, int.MaxValue, 1UL << 31, uint.MaxValue, 1UL << 40, long.MaxValue,
        1UL << 63, ulong.MaxValue,
    ];

    // What means something to one parser or another.
    private static readonly byte[][] Words =
    [
        .. new[]
        {
            "..", "/", "../..", "/nix/store/", "\0", "\n", "\r", "\"", "\\", "[", "]", "(", ")", "{", "}", ",", ";", "#", "@", "-", "%2e",
            "?", "*", "!",
            "-oProxyCommand=id", "=", "ssh-ng://", "0", "-1", "1e999", "nan", "\u202e", "\x1b[2J", "directory", "symlink", "regular",
            "entry", "name", "node", "contents", "executable",
        }.Select(System.Text.Encoding.UTF8.GetBytes),
        [0xFF, 0xFE],
        [0xED, 0xA0, 0x80],
    ];

    /// <summary>The next input.</summary>
    public byte[] Next()
    {
        var bytes = new List<byte>(Any(sound));
        for (var changes = random.Next(1, MostChanges); changes > 0; changes--) Change(bytes);
        return [.. bytes.Take(Longest)];
    }

    private void Change(List<byte> bytes)
    {
        switch (random.Next(9))
        {
            case 0 when bytes.Count > 0: bytes[random.Next(bytes.Count)] ^= (byte)(1 << random.Next(8)); break;
            case 1 when bytes.Count > 0: bytes[random.Next(bytes.Count)] = (byte)random.Next(256); break;
            case 2:
                bytes.RemoveRange(random.Next(bytes.Count + 1) is var at ? at : 0, random.Next(Math.Min(64, bytes.Count - at) + 1));
                break;
            case 3: bytes.InsertRange(random.Next(bytes.Count + 1), Any(Words)); break;
            case 4: bytes.InsertRange(random.Next(bytes.Count + 1), Part(Any(sound))); break;
            case 5: bytes.InsertRange(random.Next(bytes.Count + 1), Part(bytes)); break;
            case 6: bytes.RemoveRange(random.Next(bytes.Count + 1) is var end ? end : 0, bytes.Count - end); break;
            case 7: SetNumber(bytes, random.Next(bytes.Count + 1) / 8 * 8); break;
            case 8: SetNumber(bytes, random.Next(bytes.Count + 1)); break;
        }
    }

    private void SetNumber(List<byte> bytes, int at)
    {
        if (at + 8 > bytes.Count) return;
        var number = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(number, Numbers[random.Next(Numbers.Length)]);
        for (var i = 0; i < number.Length; i++) bytes[at + i] = number[i];
    }

    private byte[] Part(IReadOnlyList<byte> bytes)
    {
        var start = random.Next(bytes.Count + 1);
        return [.. bytes.Skip(start).Take(random.Next(Math.Min(256, bytes.Count - start) + 1))];
    }

    private byte[] Any(IReadOnlyList<byte[]> all) => all[random.Next(all.Count)];
}
