using System.Collections.Immutable;
using System.Text;

namespace NixBuildFarm.Store.Nar;

/// <summary>The strings that a NAR may continue with in one state.</summary>
internal sealed class NarRule
{
    private const int LongestWord = 13; // nix-archive-1

    /// <summary>One of several words.</summary>
    public NarRule(string wording, params NarStep[] steps)
        : this(wording, LongestWord, steps)
    {
    }

    private NarRule(string wording, int maxLength, NarStep[] steps) => (Wording, MaxLength, Steps) = (wording, maxLength, [.. steps]);

    /// <summary>Any text up to a length in bytes.</summary>
    public static NarRule Text(string wording, int maxLength, NarState next, NarToken token) =>
        new(wording, maxLength, [new(null, next, token)]);

    /// <summary>The accepted words, for an error message.</summary>
    public string Wording { get; }

    /// <summary>The most bytes that a string may have here.</summary>
    public int MaxLength { get; }

    /// <summary>The words, or the one step for any text.</summary>
    public ImmutableArray<NarStep> Steps { get; }

    /// <summary>Finds the step that a string takes; null: it is not accepted.</summary>
    public NarStep? StepOn(ReadOnlySpan<byte> text)
    {
        foreach (var step in Steps)
        {
            if (step.Accepts(text)) return step;
        }
        return null;
    }
}

/// <summary>An accepted string, and the state that follows.</summary>
internal sealed class NarStep(string? word, NarState next, NarToken token = NarToken.None)
{
    private readonly byte[]? word = word is null ? null : Encoding.ASCII.GetBytes(word);

    /// <summary>The state after it.</summary>
    public NarState Next { get; } = next;

    /// <summary>The token for the reader.</summary>
    public NarToken Token { get; } = token;

    /// <summary>The fewest bytes that the string takes, its length included; free text has one byte at least.</summary>
    public int ShortestSize => NarGrammar.LengthSize + NarGrammar.Padded(word?.Length ?? 1);

    /// <summary>Whether the step takes a string.</summary>
    public bool Accepts(ReadOnlySpan<byte> text) => word is null || text.SequenceEqual(word);
}
