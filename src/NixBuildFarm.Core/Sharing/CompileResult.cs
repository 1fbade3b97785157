using System.Globalization;

namespace NixBuildFarm.Sharing;

/// <summary>
/// What a compile that succeeded on a helper has made and said. One that fails is done at home, where its messages come from.
/// </summary>
/// <param name="Output">The file that it made.</param>
/// <param name="Messages">What it said.</param>
internal sealed record CompileResult(ReadOnlyMemory<byte> Output, ReadOnlyMemory<byte> Messages)
{
    /// <summary>Room for the names of the three files, and for the exit code.</summary>
    private const int Names = 4 << 10;

    private const int LongestCode = 3;

    /// <summary>Of a number of microseconds: more than a year.</summary>
    private const int LongestTime = 14;

    /// <summary>The processor time that the compiler took, as its helper has measured it; null: it does not say.</summary>
    public TimeSpan? ProcessorTime { get; init; }

    /// <summary>The most that is read of the output of a compile derivation, in bytes.</summary>
    public const long Limit = SharingLimits.Output + SharingLimits.Messages + Names;

    /// <summary>Takes the output of a compile derivation.</summary>
    /// <returns>Null: the compile failed, or the helper saw another text. It is done at home.</returns>
    /// <exception cref="OddFrameException">It is not what such a derivation makes.</exception>
    public static CompileResult? Of(NarTree output)
    {
        if (output.Find("rc") is not NarTree.File { Content: { Length: > 0 and <= LongestCode } code }
            || code.Span.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            throw new OddFrameException("a compile has no exit code");
        }
        if (!code.Span.SequenceEqual("0"u8)) return null;
        var messages = output.Find("err") switch
        {
            null => default,
            NarTree.File { Content: { Length: <= SharingLimits.Messages } text } => text,
            _ => throw new OddFrameException("what a compile said cannot be read"),
        };
        return output.Find("out") is NarTree.File { Content: var made }
            ? new(made, messages) { ProcessorTime = TimeOf(output) }
            : throw new OddFrameException("a compile has made nothing");
    }

    private static TimeSpan? TimeOf(NarTree output) => output.Find("time") switch
    {
        null => null,
        NarTree.File { Content: { Length: <= LongestTime } text }
            when long.TryParse(text.Span, NumberStyles.None, CultureInfo.InvariantCulture, out var time) => TimeSpan.FromMicroseconds(time),
        _ => throw new OddFrameException("how long a compile took cannot be read"),
    };
}
