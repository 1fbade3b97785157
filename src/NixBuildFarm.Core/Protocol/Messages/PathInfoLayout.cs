using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Text;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>The information on a path, as several messages have it after the path itself.</summary>
internal static class PathInfoLayout
{
    public static void Write(WireWriter writer, PathInfo info)
    {
        writer.WriteStorePath(info.Deriver);
        writer.WriteString(info.NarHash.ToHex());
        writer.WriteStorePaths(info.References);
        // A time that is not set is 0: the store takes the present.
        writer.WriteInt64(Math.Max(0, info.RegistrationTime.ToUnixTimeSeconds()));
        writer.WriteInt64(info.NarSize);
        writer.WriteBool(info.Ultimate);
        writer.WriteStrings(info.Signatures);
        writer.WriteString(info.ContentAddress ?? "");
    }

    public static async ValueTask<PathInfo> ReadAsync(WireReader reader, StorePath path, CancellationToken cancellation) => new()
    {
        Path = path,
        Deriver = await reader.ReadOptionalStorePathAsync(cancellation),
        NarHash = await ReadHashAsync(reader, cancellation),
        References = await reader.ReadStorePathsAsync(cancellation, WireLimits.References),
        RegistrationTime = await ReadTimeAsync(reader, cancellation),
        NarSize = await ReadSizeAsync(reader, cancellation),
        Ultimate = await reader.ReadBoolAsync(cancellation),
        Signatures = await reader.ReadStringsAsync(WireLimits.Name, cancellation, WireLimits.Signatures),
        ContentAddress = await reader.ReadStringAsync(WireLimits.Name, cancellation) is { Length: > 0 } address ? address : null,
    };

    private static async ValueTask<Sha256Hash> ReadHashAsync(WireReader reader, CancellationToken cancellation)
    {
        var text = await reader.ReadStringAsync(WireLimits.Name, cancellation);
        try
        {
            return Sha256Hash.ParseHex(text);
        }
        catch (FormatException e)
        {
            throw new WireException($"“{Printable.Replaced(text)}” is not a SHA-256 hash in hex.", inner: e);
        }
    }

    /// <summary>0 where the store does not know it, as Nix of before 2010 left it.</summary>
    private static async ValueTask<long> ReadSizeAsync(WireReader reader, CancellationToken cancellation)
    {
        var size = await reader.ReadUInt64Async(cancellation);
        return size <= WireLimits.Nar ? (long)size : throw new WireException($"{size} bytes are no size of a NAR.");
    }

    private static async ValueTask<DateTimeOffset> ReadTimeAsync(WireReader reader, CancellationToken cancellation) =>
        UnixTime.FromSeconds(await reader.ReadUInt64Async(cancellation));
}
