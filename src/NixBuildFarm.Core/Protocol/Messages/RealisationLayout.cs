using System.Text.Json;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>A realisation. Only its path is used: who asks knows the output.</summary>
internal static class RealisationLayout
{
    /// <summary>Reads the path.</summary>
    public static ValueTask<StorePath> ReadPathAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) =>
        version.HasRealisationsByPath ? ReadSignedPathAsync(reader, cancellation) : ReadJsonAsync(reader, cancellation);

    /// <summary>As the feature of Nix 2.35 has it: the path, and signatures.</summary>
    private static async ValueTask<StorePath> ReadSignedPathAsync(WireReader reader, CancellationToken cancellation)
    {
        var path = await reader.ReadStorePathAsync(cancellation);
        await reader.ReadStringsAsync(WireLimits.Name, cancellation, WireLimits.Signatures);
        return path;
    }

    /// <summary>As all others have it: one JSON text.</summary>
    private static async ValueTask<StorePath> ReadJsonAsync(WireReader reader, CancellationToken cancellation)
    {
        var realisation = await reader.ReadStringAsync(WireLimits.Text, cancellation);
        try
        {
            // The bytes as they came: a text with bytes that are no UTF-8 is no JSON, and must be told as such.
            using var json = JsonDocument.Parse(NixText.GetBytes(realisation));
            var name = json.RootElement.GetProperty("outPath").GetString() ?? "";
            return StorePath.Parse(name.StartsWith('/') ? name : $"{StorePath.StoreFolder}/{name}");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new WireException("The daemon's description of an output cannot be understood.", inner: e);
        }
    }
}
