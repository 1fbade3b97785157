using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using NixBuildFarm.Text;

namespace NixBuildFarm.Store;

/// <summary>
/// A path directly below the store folder: <c>/nix/store/HASH-NAME</c>, HASH being 32 characters of Nix's base 32.
/// Compares ordinally, as Nix sorts paths. Only the store folder <c>/nix/store</c> is known.
/// </summary>
public sealed class StorePath : IEquatable<StorePath>, IComparable<StorePath>
{
    /// <summary>The only store folder this project speaks of.</summary>
    public const string StoreFolder = "/nix/store";

    /// <summary>Characters of the hash part: 160 bits in base 32.</summary>
    public const int HashLength = 32;

    /// <summary>The longest name that Nix accepts, in characters.</summary>
    public const int MaxNameLength = 211;

    /// <summary>Bytes of the hash part.</summary>
    internal const int HashBytes = 20;

    private const string Prefix = StoreFolder + "/";
    private readonly string path;

    private StorePath(string path) => this.path = path;

    /// <summary>The 32 characters after the store folder.</summary>
    public string HashPart => path.Substring(Prefix.Length, HashLength);

    /// <summary>The part after the hash and its dash, e.g. <c>hello-2.12.drv</c>.</summary>
    public string Name => path[(Prefix.Length + HashLength + 1)..];

    /// <summary>Hash and name: the file's name in the store folder.</summary>
    public string BaseName => path[Prefix.Length..];

    /// <summary>Whether this is the path of a derivation.</summary>
    public bool IsDerivation => path.EndsWith(".drv", StringComparison.Ordinal);

    /// <summary>Reads <c>/nix/store/HASH-NAME</c>.</summary>
    /// <exception cref="FormatException">Not a store path; the message says which part is wrong.</exception>
    public static StorePath Parse(string text) =>
        Check(text) is { } problem
            ? throw new FormatException($"“{Printable.Replaced(text)}” is not a store path: {problem}")
            : new StorePath(text);

    /// <summary>Reads <c>/nix/store/HASH-NAME</c>; false when the text is anything else.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out StorePath? result)
    {
        result = text is null || Check(text) is not null ? null : new StorePath(text);
        return result is not null;
    }

    /// <summary>The path for a kind, a hash and a name. [makeStorePath in src/libstore/store-api.cc of NixOS/nix]</summary>
    /// <param name="kind">The kind, with the references where they count, e.g. <c>output:out</c>, <c>text:/nix/store/…</c>.</param>
    /// <param name="hash">The hash of the contents or of the derivation.</param>
    /// <param name="name">The path's name.</param>
    internal static StorePath Of(string kind, Sha256Hash hash, string name)
    {
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes($"{kind}:{hash}:{StoreFolder}:{name}"));
        Span<byte> folded = stackalloc byte[HashBytes];
        new Sha256Hash(digest).Fold(folded);
        return Of(folded, name);
    }

    /// <summary>A path that no store has yet, for a trial build: a path that is valid already would prove nothing.</summary>
    internal static StorePath Random(string name)
    {
        Span<byte> random = stackalloc byte[HashBytes];
        RandomNumberGenerator.Fill(random);
        return Of(random, name);
    }

    private static StorePath Of(ReadOnlySpan<byte> hash, string name) => Parse($"{Prefix}{NixBase32.Encode(hash)}-{name}");

    /// <inheritdoc/>
    public bool Equals(StorePath? other) => other is not null && path == other.path;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as StorePath);

    /// <inheritdoc/>
    public override int GetHashCode() => path.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc/>
    public int CompareTo(StorePath? other) => string.CompareOrdinal(path, other?.path);

    /// <summary>The whole path.</summary>
    public override string ToString() => path;

#pragma warning disable CS1591 // The operators say what their names say.
    public static bool operator ==(StorePath? left, StorePath? right) => Equals(left, right);
    public static bool operator !=(StorePath? left, StorePath? right) => !Equals(left, right);
    public static bool operator <(StorePath? left, StorePath? right) => Comparer<StorePath>.Default.Compare(left, right) < 0;
    public static bool operator >(StorePath? left, StorePath? right) => Comparer<StorePath>.Default.Compare(left, right) > 0;
    public static bool operator <=(StorePath? left, StorePath? right) => Comparer<StorePath>.Default.Compare(left, right) <= 0;
    public static bool operator >=(StorePath? left, StorePath? right) => Comparer<StorePath>.Default.Compare(left, right) >= 0;
#pragma warning restore CS1591

    private static string? Check(string text)
    {
        if (!text.StartsWith(Prefix, StringComparison.Ordinal)) return $"it does not begin with {Prefix}";
        var baseName = text.AsSpan(Prefix.Length);
        if (baseName.Length < HashLength + 2) return "it is too short";
        if (baseName[..HashLength].IndexOfAnyExcept(NixBase32.Alphabet) >= 0) return "its hash is not base 32";
        if (baseName[HashLength] != '-') return "no dash follows its hash";
        var name = baseName[(HashLength + 1)..];
        if (name.Length > MaxNameLength) return $"its name is longer than {MaxNameLength} characters";
        if (name is "." or ".." || name.StartsWith(".-") || name.StartsWith("..-")) return "its name begins with dots";
        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('+' or '-' or '.' or '_' or '?' or '='))
            {
                return $"its name has the character '{Printable.Replaced(c.ToString())}'";
            }
        }
        return null;
    }
}
