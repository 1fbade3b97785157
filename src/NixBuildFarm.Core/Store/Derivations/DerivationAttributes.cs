using System.Globalization;
using System.Text.Json;

namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// Attributes of a derivation that control its build. They are in the environment, or, with structured attributes, in the JSON of the
/// variable <c>__json</c>.
/// </summary>
internal sealed record DerivationAttributes
{
    private const string Structured = "__json";
    private const int MaxJsonDepth = 1000;

    // Of nixbuild.net, where memory is in MB.
    private const string MinMemory = "NIXBUILDNET_MIN_MEM", MinCores = "NIXBUILDNET_MIN_CPU";

    /// <summary>Larger figures are mistakes: a petabyte, a million cores.</summary>
    private const int MostMegabytes = 1_000_000_000, MostCores = 1_000_000;

    private const long BytesPerMegabyte = 1_000_000;

    /// <summary>The variables that have them.</summary>
    public static IReadOnlySet<string> Names { get; } = new HashSet<string>
    {
        Structured, "pname", "version", "requiredSystemFeatures", "preferLocalBuild", "allowSubstitutes", "enableParallelBuilding",
        MinMemory, MinCores,
    };

    private static readonly char[] Blanks = [' ', '\t', '\n', '\r'];

    public string? PName { get; private init; }

    public string? Version { get; private init; }

    public IReadOnlyList<string> RequiredSystemFeatures { get; private init; } = [];

    public bool PreferLocalBuild { get; private init; }

    public bool AllowSubstitutes { get; private init; }

    public bool EnableParallelBuilding { get; private init; }

    /// <summary>Bytes of memory that the build needs at least; 0: it does not say.</summary>
    public long LeastMemory { get; private init; }

    /// <summary>Cores that the build needs at least; 0: it does not say.</summary>
    public int LeastCores { get; private init; }

    public static bool IsStructured(IReadOnlyDictionary<string, string> environment) => environment.ContainsKey(Structured);

    /// <exception cref="FormatException">The structured attributes are not a JSON object.</exception>
    public static DerivationAttributes Read(IReadOnlyDictionary<string, string> environment) =>
        environment.TryGetValue(Structured, out var json) ? ReadStructured(json) : ReadPlain(environment);

    private static DerivationAttributes ReadPlain(IReadOnlyDictionary<string, string> environment)
    {
        return new()
        {
            PName = NullIfEmpty(Text("pname")),
            Version = NullIfEmpty(Text("version")),
            RequiredSystemFeatures = Words(Text("requiredSystemFeatures")),
            PreferLocalBuild = Flag("preferLocalBuild", otherwise: false),
            AllowSubstitutes = Flag("allowSubstitutes", otherwise: true),
            EnableParallelBuilding = Flag("enableParallelBuilding", otherwise: false),
            LeastMemory = Number(Text(MinMemory), MostMegabytes) * BytesPerMegabyte,
            LeastCores = Number(Text(MinCores), MostCores),
        };

        string? Text(string name) => environment.GetValueOrDefault(name);
        bool Flag(string name, bool otherwise) => Text(name) is { } text ? text == "1" : otherwise;
    }

    private static DerivationAttributes ReadStructured(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(NixText.GetBytes(json), new JsonDocumentOptions { MaxDepth = MaxJsonDepth });
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
            {
                throw new FormatException($"The derivation's structured attributes ({Structured}) are no JSON object.");
            }
            return ReadStructured(root);
        }
        catch (Exception cause) when (cause is JsonException or InvalidOperationException) // the latter where a string is not UTF-8
        {
            throw new FormatException($"The derivation's structured attributes ({Structured}) are not valid JSON: {cause.Message}", cause);
        }
    }

    private static DerivationAttributes ReadStructured(JsonElement root)
    {
        return new()
        {
            PName = NullIfEmpty(Text("pname")),
            Version = NullIfEmpty(Text("version")),
            RequiredSystemFeatures = Texts("requiredSystemFeatures"),
            PreferLocalBuild = Flag("preferLocalBuild", otherwise: false),
            AllowSubstitutes = Flag("allowSubstitutes", otherwise: true),
            EnableParallelBuilding = Flag("enableParallelBuilding", otherwise: false),
            LeastMemory = Number(Figure(MinMemory), MostMegabytes) * BytesPerMegabyte,
            LeastCores = Number(Figure(MinCores), MostCores),
        };

        // They are variables of the build: structured attributes have them in "env", or as numbers beside the others.
        string? Figure(string name) =>
            (root.TryGetProperty("env", out var variables) && variables.ValueKind == JsonValueKind.Object
                && variables.TryGetProperty(name, out var value)) || root.TryGetProperty(name, out value)
                ? value.ToString()
                : null;

        string? Text(string name) =>
            root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

        bool Flag(string name, bool otherwise) => root.TryGetProperty(name, out var value)
            ? value.ValueKind == JsonValueKind.True || (value.ValueKind == JsonValueKind.String && value.ValueEquals("1"))
            : otherwise;

        IReadOnlyList<string> Texts(string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)]
            : Words(Text(name));
    }

    /// <summary>A whole number of a derivation; 0 where it is none, or larger than makes sense: it is no more than a hint.</summary>
    private static int Number(string? text, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= most ? number : 0;

    private static string? NullIfEmpty(string? text) => text is "" ? null : text;

    private static string[] Words(string? text) => text?.Split(Blanks, StringSplitOptions.RemoveEmptyEntries) ?? [];
}
