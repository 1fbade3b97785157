using System.Text;
using NixBuildFarm.Text;

namespace NixBuildFarm.Ssh.Channels;

/// <summary>
/// The last lines of a remote program's standard error. Only the last bytes are kept, and decoded on request. Safe for one writer and any
/// readers.
/// </summary>
internal sealed class ErrorTail
{
    private const int KeptBytes = 16 * 1024;
    private const int ShownLines = 20;
    private const int LongestLine = 1000;

    private readonly object sync = new();
    private byte[] kept = []; // most programs say nothing
    private int length;
    private bool isCut;

    /// <summary>Takes the next bytes, cut anywhere.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        lock (sync)
        {
            var surplus = length + bytes.Length - KeptBytes;
            if (surplus > 0)
            {
                isCut = true;
                var staying = Math.Max(0, length - surplus);
                kept.AsSpan(length - staying, staying).CopyTo(kept);
                length = staying;
                if (bytes.Length > KeptBytes) bytes = bytes[^KeptBytes..];
            }
            if (length + bytes.Length > kept.Length) Array.Resize(ref kept, KeptBytes);
            bytes.CopyTo(kept.AsSpan(length));
            length += bytes.Length;
        }
    }

    /// <summary>The lines, without terminal control.</summary>
    public override string ToString()
    {
        string text;
        lock (sync)
        {
            text = Encoding.UTF8.GetString(kept, 0, length);
            var firstEnd = text.IndexOf('\n', StringComparison.Ordinal);
            if (isCut && firstEnd >= 0) text = text[(firstEnd + 1)..]; // it has lost its beginning
        }
        var lines = TerminalText.Strip(text).Split('\n').Select(l => l.TrimEnd()).Where(l => l.Length > 0);
        return string.Join('\n', lines.Select(l => l.Length > LongestLine ? l[..LongestLine] : l).TakeLast(ShownLines));
    }
}
