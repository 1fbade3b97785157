using System.Text;

namespace NixBuildFarm.Store.Derivations;

/// <summary>The placeholders in a derivation, and the paths that come in their places.</summary>
internal sealed class Placeholders
{
    /// <summary>A slash, and a hash of SHA-256 in base 32.</summary>
    private const int Length = 53;

    private readonly Dictionary<string, string> paths = [];

    /// <summary>Takes the inputs of a derivation.</summary>
    public Placeholders(IEnumerable<RealisedInput> inputs)
    {
        foreach (var (path, placeholder) in inputs)
        {
            if (placeholder is not null) paths[placeholder] = path.ToString();
        }
    }

    /// <summary>Puts the paths in their places: in one pass, since a link may have thousands of inputs.</summary>
    public string Fill(string text)
    {
        if (paths.Count == 0 || text.Length < Length) return text;
        StringBuilder? filled = null;
        var done = 0;
        for (var at = text.IndexOf('/', StringComparison.Ordinal); at >= 0 && at + Length <= text.Length;)
        {
            var next = at + 1;
            var mayBe = text.AsSpan(at + 1, Length - 1).IndexOfAnyExcept(NixBase32.Alphabet) < 0;
            if (mayBe && paths.TryGetValue(text.Substring(at, Length), out var path))
            {
                (filled ??= new(text.Length)).Append(text, done, at - done).Append(path);
                done = next = at + Length;
            }
            at = next < text.Length ? text.IndexOf('/', next) : -1;
        }
        return filled is null ? text : filled.Append(text, done, text.Length - done).ToString();
    }
}
