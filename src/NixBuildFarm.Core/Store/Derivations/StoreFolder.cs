using System.Buffers;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Store.Derivations;

/// <summary>The derivations of a store whose folder this process can read.</summary>
internal sealed class StoreFolder : IDerivationSource
{
    /// <summary>The id of the error that says that a derivation is not there.</summary>
    public const string NotFound = "DerivationNotFound";

    private readonly string folder;

    /// <summary>Reads from a folder of store paths.</summary>
    /// <param name="folder"><c>/nix/store</c>, or where that of another root lies, e.g. <c>/mnt/nix/store</c>.</param>
    public StoreFolder(string folder = StorePath.StoreFolder) => this.folder = folder;

    /// <inheritdoc/>
    public Task<Derivation> ReadAsync(StorePath path, CancellationToken cancellation) => ReadAsync(path, isOutline: false, cancellation);

    /// <inheritdoc/>
    public Task<Derivation> ReadOutlineAsync(StorePath path, CancellationToken cancellation) =>
        ReadAsync(path, isOutline: true, cancellation);

    private async Task<Derivation> ReadAsync(StorePath path, bool isOutline, CancellationToken cancellation)
    {
        var file = Path.Combine(folder, path.BaseName);
        try
        {
            return await ParseAsync(file, isOutline, cancellation);
        }
        catch (Exception cause) when (cause is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new NixBuildFarmException(
                NotFound,
                $"The derivation “{file}” does not exist.",
                "Make it again with nix-instantiate or nix eval: the garbage collector has taken it, or it is in another store.",
                cause);
        }
        catch (FormatException cause)
        {
            throw new NixBuildFarmException(
                "DerivationMalformed",
                $"“{file}” cannot be read as a derivation. {cause.Message}",
                $"Where it should be one, see whether it is damaged: nix-store --verify-path {path}",
                cause);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException(
                "DerivationUnreadable", $"The derivation “{file}” cannot be read: {cause.Message}", inner: cause);
        }
    }

    private static async Task<Derivation> ParseAsync(string file, bool isOutline, CancellationToken cancellation)
    {
        using var handle = File.OpenHandle(file, options: FileOptions.SequentialScan);
        // One byte more than it may have tells a file that is too large, which the parser refuses.
        var size = (int)Math.Min(RandomAccess.GetLength(handle), Derivation.MaxSize + 1);
        var content = ArrayPool<byte>.Shared.Rent(size);
        try
        {
            var count = 0;
            while (count < size)
            {
                var read = await RandomAccess.ReadAsync(handle, content.AsMemory(count, size - count), count, cancellation);
                if (read == 0) break;
                count += read;
            }
            return Derivation.Parse(content.AsSpan(0, count), isOutline);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(content);
        }
    }
}
