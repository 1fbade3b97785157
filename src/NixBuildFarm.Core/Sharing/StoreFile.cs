using System.Security.Cryptography;
using System.Text;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Sharing;

/// <summary>A file whose store path follows from its content and its name alone.</summary>
internal sealed class StoreFile
{
    private readonly FileNar nar;

    /// <summary>Makes one.</summary>
    /// <param name="name">The name of its path.</param>
    /// <param name="content">What is in it.</param>
    public StoreFile(string name, ReadOnlyMemory<byte> content)
    {
        nar = new(content);
        var hash = new Sha256Hash(SHA256.HashData(content.Span));
        Info = new()
        {
            Path = PathOf(name, hash),
            NarHash = nar.Digest.Hash,
            NarSize = nar.Digest.Size,
            ContentAddress = $"fixed:sha256:{hash.ToBase32()}",
        };
    }

    /// <summary>The path, as a store registers it.</summary>
    public PathInfo Info { get; }

    /// <summary>Its path.</summary>
    public StorePath Path => Info.Path;

    /// <summary>The file, to be added to a store.</summary>
    public NarSource Source => new(Info, nar.WriteAsync);

    /// <summary>The path of a file of which only the hash is known. [makeFixedOutputPath in src/libstore/store-api.cc of NixOS/nix]</summary>
    public static StorePath PathOf(string name, Sha256Hash content) =>
        StorePath.Of("output:out", new(SHA256.HashData(Encoding.ASCII.GetBytes($"fixed:out:{content}:"))), name);
}
