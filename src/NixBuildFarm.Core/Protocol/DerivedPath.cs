using System.Diagnostics.CodeAnalysis;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol;

/// <summary>
/// Something that a daemon can be asked to bring into being: a store path as it is, or outputs of a derivation. Written
/// <c>/nix/store/x</c>, <c>/nix/store/x.drv!out,dev</c> or <c>/nix/store/x.drv!*</c>.
/// </summary>
internal sealed class DerivedPath : IEquatable<DerivedPath>
{
    private readonly string text;

    private DerivedPath(StorePath path, IReadOnlyList<string>? outputs)
    {
        Path = path;
        Outputs = outputs;
        text = outputs switch
        {
            null => path.ToString(),
            [] => path + "!*",
            _ => $"{path}!{string.Join(',', outputs)}",
        };
    }

    /// <summary>The store path, or the derivation.</summary>
    public StorePath Path { get; }

    /// <summary>The outputs wanted of the derivation; empty: all of them; null: the path itself is wanted.</summary>
    public IReadOnlyList<string>? Outputs { get; }

    /// <summary>A store path as it is.</summary>
    public static DerivedPath Opaque(StorePath path) => new(path, null);

    /// <summary>All outputs of a derivation.</summary>
    public static DerivedPath AllOutputs(StorePath derivation) => new(derivation, []);

    /// <summary>Some outputs of a derivation.</summary>
    /// <exception cref="ArgumentException">No output is named.</exception>
    public static DerivedPath SomeOutputs(StorePath derivation, params IReadOnlyList<string> outputs) =>
        outputs.Count > 0 ? new(derivation, outputs) : throw new ArgumentException("No output is named.", nameof(outputs));

    /// <summary>Reads one of the three forms; false when the text is anything else.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out DerivedPath? result)
    {
        result = null;
        if (text is null) return false;
        var mark = text.IndexOf('!', StringComparison.Ordinal);
        if (!StorePath.TryParse(mark < 0 ? text : text[..mark], out var path)) return false;
        var outputs = mark < 0 ? [] : text[(mark + 1)..].Split(',');
        if (outputs.Contains("")) return false;
        result = mark < 0 ? Opaque(path) : outputs is ["*"] ? AllOutputs(path) : SomeOutputs(path, outputs);
        return true;
    }

    /// <inheritdoc/>
    public bool Equals(DerivedPath? other) => text == other?.text;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as DerivedPath);

    /// <inheritdoc/>
    public override int GetHashCode() => text.GetHashCode(StringComparison.Ordinal);

    /// <summary>The text that the protocol sends.</summary>
    public override string ToString() => text;
}
