using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace NixBuildFarm.Store;

/// <summary>The hash of a path's contents, and how it was computed. With name and references it gives the path.</summary>
/// <remarks>
/// The forms are those of the Nix manual, “Content-addressing store objects”; the path follows from it as “Store path” there says.
/// </remarks>
internal sealed class ContentAddress
{
    private const string Text = "text";
    private const string Fixed = "fixed";
    private const string RecursiveSha256 = "r:sha256";

    // Bytes of a digest.
    private static readonly Dictionary<string,
    int> Algorithms = new() { ["md5"] = 16, ["sha1"] = 20, ["sha256"] = Sha256Hash.Length, ["sha512"] = 64, ["blake3"] = 32 };

    private readonly byte[] hash;

    private ContentAddress(string method, byte[] hash)
    {
        Method = method;
        this.hash = hash;
    }

    /// <summary>
    /// How the content was hashed, as derivations state it: <c>r:sha256</c>, <c>sha256</c> (one file), <c>text:sha256</c>.
    /// </summary>
    public string Method { get; }

    /// <summary>
    /// Reads <c>fixed:r:sha256:HASH</c>, <c>fixed:sha256:HASH</c>, <c>text:sha256:HASH</c>; false when the text is anything else.
    /// </summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out ContentAddress? result)
    {
        result = null;
        if (text?.Split(':') is not [var kind, .. var ingestion, var algorithm, var digest]
            || !Algorithms.TryGetValue(algorithm, out var length))
        {
            return false;
        }
        var method = (kind, ingestion) switch
        {
            (Text, []) when algorithm == "sha256" => $"{Text}:{algorithm}",
            (Fixed, []) => algorithm,
            (Fixed, ["r" or "git"]) => $"{ingestion[0]}:{algorithm}",
            _ => null,
        };
        if (method is null || digest.Length != NixBase32.LengthOf(length)) return false;
        try
        {
            result = new(method, NixBase32.Decode(digest));
            return true;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    /// <summary>
    /// Whether a path follows from its content address, name and references. Does not check that the contents have that hash.
    /// </summary>
    public static bool Gives(PathInfo info) => TryParse(info.ContentAddress, out var address) && address.PathOf(info) == info.Path;

    /// <summary>
    /// Whether a path's NAR can have its content address. For most methods this follows from the NAR hash; for the others only the store
    /// that receives the contents can check it, and every store does.
    /// </summary>
    public static bool Fits(PathInfo info) =>
        !TryParse(info.ContentAddress, out var address)
        || address.Method != RecursiveSha256
        || info.References.Contains(info.Path) // is hashed without them
        || info.NarHash.Bytes.SequenceEqual(address.hash);

    /// <summary>The path that name and references of a path give with this; null: there is none with such references.</summary>
    private StorePath? PathOf(PathInfo info)
    {
        var name = info.Path.Name;
        var refersToItself = info.References.Contains(info.Path);
        var references = string.Concat(info.References.Where(path => path != info.Path).Distinct().Order().Select(path => $":{path}"));
        if (Method == RecursiveSha256) return StorePath.Of($"source{references}{(refersToItself ? ":self" : "")}", new(hash), name);
        if (refersToItself) return null;
        if (Method.StartsWith(Text, StringComparison.Ordinal)) return StorePath.Of(Text + references, new(hash), name);
        return references.Length == 0
            ? StorePath.Of("output:out", HashOf($"fixed:out:{Method}:{Convert.ToHexString(hash).ToLowerInvariant()}:"), name)
            : null;
    }

    private static Sha256Hash HashOf(string text) => new(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
