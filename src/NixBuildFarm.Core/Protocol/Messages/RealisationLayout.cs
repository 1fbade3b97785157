using System.Text.Json;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>A realisation, which is one JSON text. Only its path is read: who asks knows the output.</summary>
internal static class RealisationLayout
{
    public static async ValueTask<StorePath> ReadPathAsync(WireReader reader, CancellationToken cancellation)
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
