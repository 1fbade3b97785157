namespace NixBuildFarm.Sharing;

/// <summary>What a compile that succeeded on a helper has made and said. One that fails is done at home, where its messages come from.</summary>
/// <param name="Output">The file that it made.</param>
/// <param name="Messages">What it said.</param>
internal sealed record CompileResult(ReadOnlyMemory<byte> Output, ReadOnlyMemory<byte> Messages)
{
    /// <summary>Room for the names of the three files, and for the exit code.</summary>
    private const int Names = 4 << 10;

    private const int LongestCode = 3;

    /// <summary>The most that is read of the output of a compile derivation, in bytes.</summary>
    public const long Limit = SharingLimits.Output + SharingLimits.Messages + Names;

    /// <summary>Takes the output of a compile derivation.</summary>
    /// <returns>Null: the compile failed, or the helper saw another text. It is done at home.</returns>
    /// <exception cref="OddFrameException">It is not what such a derivation makes.</exception>
    public static CompileResult? Of(NarTree output)
    {
        if (output.Find("rc") is not NarTree.File { Content: { Length: > 0 and <= LongestCode } code } || code.Span.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
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
        return output.Find("out") is NarTree.File { Content: var made } ? new(made, messages) : throw new OddFrameException("a compile has made nothing");
    }
}
