using System.Globalization;
using System.Text.Json;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>
/// Settings of Nix in a NixOS module: in <c>nix.settings</c>, and in the lines of <c>nix.extraOptions</c>, which come last in
/// <c>nix.conf</c> and so override. Null: not set.
/// </summary>
public sealed class NixosSettings
{
    private const string MachinesOfNixos = "@/etc/nix/machines";

    private NixosSettings()
    {
    }

    /// <summary><c>builders</c>: a machines list; null: not set, or the file that NixOS makes of <c>nix.buildMachines</c>.</summary>
    public string? Builders { get; private init; }

    /// <summary>Whether builders fetch from their own substituters.</summary>
    public bool? BuildersUseSubstitutes { get; private init; }

    /// <summary>Local builds at a time; 0: none.</summary>
    public int? MaxJobs { get; private init; }

    /// <summary>The features of this machine.</summary>
    public IReadOnlyList<string>? SystemFeatures { get; private init; }

    /// <summary>Further systems that the local machine builds.</summary>
    public IReadOnlyList<string>? ExtraPlatforms { get; private init; }

    /// <summary>Nix's settings as they are when this has been deployed.</summary>
    public NixConfiguration Over(NixConfiguration configuration) => configuration with
    {
        BuildersUseSubstitutes = BuildersUseSubstitutes ?? configuration.BuildersUseSubstitutes,
        MaxJobs = MaxJobs ?? configuration.MaxJobs,
        SystemFeatures = SystemFeatures ?? configuration.SystemFeatures,
        ExtraPlatforms = ExtraPlatforms ?? configuration.ExtraPlatforms,
    };

    internal static NixosSettings From(IReadOnlyDictionary<string, JsonElement> settings, string extraOptions)
    {
        var values = settings.ToDictionary(setting => setting.Key, setting => TextOf(setting.Value));
        foreach (var line in extraOptions.Split('\n'))
        {
            var words = line.Split('#')[0].Split('=', 2, StringSplitOptions.TrimEntries);
            if (words is [var name, var value]) values[name] = value;
        }
        return new()
        {
            Builders = values.GetValueOrDefault("builders")?.Trim() is { Length: > 0 } builders && builders != MachinesOfNixos
                ? builders
                : null,
            BuildersUseSubstitutes =
                values.GetValueOrDefault("builders-use-substitutes") switch { "true" => true, "false" => false, _ => null },
            MaxJobs = values.GetValueOrDefault("max-jobs") switch
            {
                "auto" => Environment.ProcessorCount,
                { } text when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var jobs) => jobs,
                _ => null,
            },
            SystemFeatures = Words("system-features"),
            ExtraPlatforms = Words("extra-platforms"),
        };

        string[]? Words(string name) => values.GetValueOrDefault(name)?.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    private static string TextOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => string.Join(' ', value.EnumerateArray().Select(TextOf)),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => value.ToString(),
    };
}
