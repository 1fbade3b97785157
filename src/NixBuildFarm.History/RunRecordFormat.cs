using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace NixBuildFarm.History;

/// <summary>A run as compressed JSON. Fields of later versions are skipped.</summary>
internal static class RunRecordFormat
{
    /// <summary>More than any run needs: a limit for the memory that a damaged file can take.</summary>
    private const int LargestJson = 512 * 1024 * 1024;

    /// <summary>Writes a run.</summary>
    public static byte[] Pack(RunRecord run)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
        {
            JsonSerializer.Serialize(gzip, run, RunRecordJson.Default.RunRecord);
        }
        return packed.ToArray();
    }

    /// <summary>Reads a run.</summary>
    /// <exception cref="JsonException">It is not one.</exception>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public static RunRecord Unpack(byte[] packed)
    {
        using var gzip = new GZipStream(new MemoryStream(packed), CompressionMode.Decompress);
        using var json = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (gzip.Read(buffer) is > 0 and var count)
        {
            if (json.Length + count > LargestJson) throw new InvalidDataException("A run is larger than any can be.");
            json.Write(buffer, 0, count);
        }
        return JsonSerializer.Deserialize(json.GetBuffer().AsSpan(0, (int)json.Length), RunRecordJson.Default.RunRecord)
            ?? throw new InvalidDataException("A run is empty.");
    }
}

/// <summary>
/// How a run is written: enumerations by name, bandwidths that are unknown as Infinity, nothing that follows from something else.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    IgnoreReadOnlyProperties = true,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(RunRecord))]
internal sealed partial class RunRecordJson : JsonSerializerContext;
