using System.Text.Json;
using System.Text.Json.Serialization;

namespace NixBuildFarm.Reporting;

/// <summary>The report as JSON: the data of the page, for other programs.</summary>
public static class ReportJson
{
    /// <summary>Writes it.</summary>
    public static void Write(RunReport report, Stream output) =>
        JsonSerializer.Serialize(output, report, ReportJsonFormat.Default.RunReport);

    /// <summary>
    /// The text. Its <c>&lt;</c>, <c>&gt;</c>, <c>&amp;</c> and quotation marks are escaped within strings, so that it can be embedded in a
    /// page.
    /// </summary>
    internal static string Text(RunReport report) => JsonSerializer.Serialize(report, ReportJsonFormat.Default.RunReport);
}

/// <summary>Enumerations by name, numbers to the millisecond, nothing where there is nothing.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    Converters = [typeof(SecondsConverter), typeof(ReportBuilderKindConverter)])]
[JsonSerializable(typeof(RunReport))]
internal sealed partial class ReportJsonFormat : JsonSerializerContext;

/// <summary>Writes seconds to the millisecond: more says nothing, and makes a large report larger.</summary>
internal sealed class SecondsConverter : JsonConverter<double>
{
    private const int Digits = 4;

    public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDouble();

    public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options) =>
        writer.WriteNumberValue(double.IsFinite(value) ? Math.Round(value, Digits) : 0);
}

/// <summary>Writes the kind of a row as a word among others: <c>builder</c>, <c>substituters</c>.</summary>
internal sealed class ReportBuilderKindConverter() : JsonStringEnumConverter<ReportBuilderKind>(JsonNamingPolicy.CamelCase);
