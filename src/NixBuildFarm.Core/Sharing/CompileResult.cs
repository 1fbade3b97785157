using NixBuildFarm.Store;

namespace NixBuildFarm.Sharing;

/// <summary>What a compile that succeeded on a helper has made and said. One that fails is done at home, where its messages come from.</summary>
/// <param name="Output">The file that it made.</param>
/// <param name="Messages">What it said.</param>
internal sealed record CompileResult(ReadOnlyMemory<byte> Output, ReadOnlyMemory<byte> Messages)
{
    /// <summary>Room for the names of the three files, and for the exit code.</summary>
    private const int Names = 4 << 10;

    /// <summary>The most that is read of the output of a compile derivation, in bytes.</summary>
    public const long Limit = SharingLimits.Output + SharingLimits.Messages + Names;

    /// <summary>Takes the output of a compile derivation.</summary>
    /// <exception cref="OddFrameException">It is not what such a derivation makes, or the compile has to be done at home.</exception>
    public static CompileResult Of(NarTree output)
    {
        if (output.Find("rc") is not NarTree.File { Content: var code }) throw new OddFrameException("a compile has no exit code");
        var exit = NixText.Printable(code.Span).TrimEnd('\n');
        if (exit != "0") throw new OddFrameException(exit == "200" ? "the helper sees another text, or a name that it cannot make" : $"the compile ended with {exit}");
        var messages = output.Find("err") switch
        {
            null => default,
            NarTree.File { Content: { Length: <= SharingLimits.Messages } text } => text,
            _ => throw new OddFrameException("what a compile said cannot be read"),
        };
        return output.Find("out") is NarTree.File { Content: var made } ? new(made, messages) : throw new OddFrameException("a compile has made nothing");
    }
}
