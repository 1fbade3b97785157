using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary>A store in memory, which several fake daemons may share.</summary>
internal sealed class FakeStore
{
    private readonly ConcurrentDictionary<StorePath, (PathInfo Info, byte[] Nar)> valid = new();

    /// <summary>Paths that its substituters have.</summary>
    public ConcurrentDictionary<StorePath, (PathInfo Info, byte[] Nar)> Substitutable { get; } = new();

    /// <summary>What AddTempRoot was called with, in order.</summary>
    public ConcurrentQueue<StorePath> TempRoots { get; } = new();

    /// <summary>What was sent to it, in order, though it had it.</summary>
    public ConcurrentQueue<StorePath> Received { get; } = new();

    /// <summary>What somebody uses, so that no garbage collector deletes it.</summary>
    public ConcurrentDictionary<StorePath, byte> InUse { get; } = new();

    /// <summary>What AddIndirectRoot was called with, in order.</summary>
    public ConcurrentQueue<string> IndirectRoots { get; } = new();

    /// <summary>What AddBuildLog was called with.</summary>
    public ConcurrentDictionary<string, byte[]> BuildLogs { get; } = new();

    /// <summary>What RegisterDrvOutput was called with.</summary>
    public ConcurrentQueue<string> Realisations { get; } = new();

    /// <summary>Outputs of derivations that are in the store, by the derivation's path.</summary>
    public ConcurrentDictionary<StorePath, IReadOnlyDictionary<string, StorePath?>> Outputs { get; } = new();

    public ICollection<StorePath> ValidPaths => valid.Keys;

    /// <summary>A path that follows from a name; two names never have the same.</summary>
    public static StorePath PathOf(string name)
    {
        const string Digits = "0123456789abcdfghijklmnpqrsvwxyz";
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(name));
        return StorePath.Parse($"/nix/store/{string.Concat(hash.Select(b => Digits[b % Digits.Length]))}-{name}");
    }

    /// <summary>A path whose content is one file, and its NAR, not yet in any store.</summary>
    public static (PathInfo Info, byte[] Nar) FileOf(string name, byte[] contents, params StorePath[] references)
    {
        var nar = ProtocolBytes.Of("nix-archive-1", "(", "type", "regular", "contents", contents, ")");
        var info = new PathInfo
        {
            Path = PathOf(name),
            NarHash = new Sha256Hash(SHA256.HashData(nar)),
            NarSize = nar.Length,
            References = references,
            RegistrationTime = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000),
        };
        return (info, nar);
    }

    /// <summary>The key whose signatures every fake store trusts; that they are right, none looks at.</summary>
    public const string TrustedKey = "trusted-1:";

    /// <summary>A path that follows from its content, which is one file, and its NAR, not yet in any store.</summary>
    public static (PathInfo Info, byte[] Nar) ContentAddressed(string name, byte[] contents, params StorePath[] references)
    {
        var (info, nar) = FileOf(name, contents, references);
        var kind = string.Concat(references.Order().Select(path => $":{path}").Prepend("source"));
        return (
            info with { Path = StorePath.Of(kind, info.NarHash, name), ContentAddress = $"fixed:r:sha256:{info.NarHash.ToBase32()}" }, nar);
    }

    /// <summary>The realisation that was registered by a name; null: none was.</summary>
    public string? FindRealisation(string id) =>
        Realisations.FirstOrDefault(realisation => realisation.Contains($"\"id\":\"{id}\"", StringComparison.Ordinal));

    /// <summary>As Nix's store, it knows what comes of a derivation that is in it, if it is one.</summary>
    public void AddOutputsOf(StorePath derivation)
    {
        var content = ContentOf(FindNar(derivation)!);
        if (!content.StartsWith("Derive("u8)) return;
        var outputs = Derivation.Parse(content).Outputs;
        Outputs[derivation] = outputs.ToDictionary(output => output.Key, output => output.Value.Path);
    }

    /// <summary>
    /// Whether a path's content, which is one file, has the content address that it states, if it states one that a fake knows.
    /// </summary>
    public static bool HasContentAddress(PathInfo info, byte[] nar)
    {
        return info.ContentAddress?.Split(':') switch
        {
            ["fixed", "r", "sha256", var hash] => hash == info.NarHash.ToBase32(),
            ["fixed", "sha256", var hash] =>
                hash == NixBase32.Encode(SHA256.HashData(ContentOf(nar))),
            _ => true,
        };
    }

    private static ReadOnlySpan<byte> ContentOf(byte[] nar)
    {
        const int Beginning = 96; // of the NAR of one file, up to its contents
        return nar.AsSpan(Beginning, (int)BitConverter.ToInt64(nar, Beginning - 8));
    }

    /// <summary>Adds a path whose content is one file.</summary>
    public StorePath AddFile(string name, string contents = "", params StorePath[] references)
    {
        var (info, nar) = FileOf(name, Encoding.UTF8.GetBytes(contents), references);
        Add(info, nar);
        return info.Path;
    }

    public void Add(PathInfo info, byte[] nar) => valid[info.Path] = (info, nar);

    public void Remove(StorePath path) => valid.TryRemove(path, out _);

    public bool IsValid(StorePath path) => valid.ContainsKey(path);

    public PathInfo? Find(StorePath path) => valid.TryGetValue(path, out var entry) ? entry.Info : null;

    public byte[]? FindNar(StorePath path) => valid.TryGetValue(path, out var entry) ? entry.Nar : null;

    /// <summary>Fetches a path from the substituters; false where they do not have it.</summary>
    public bool Substitute(StorePath path)
    {
        if (IsValid(path)) return true;
        if (!Substitutable.TryGetValue(path, out var entry)) return false;
        Add(entry.Info, entry.Nar);
        return true;
    }
}
