using System.Collections;
using System.Globalization;
using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Text;
using NixBuildFarm.Work;

namespace NixBuildFarm.Measuring;

/// <summary>The farm of a run as it was, or as it might be.</summary>
internal static class HypotheticalFarm
{
    private static readonly string[] Keys =
    [
        "Name", "Systems", "MaxJobs", "SpeedFactor", "Cores", "SupportedFeatures", "MandatoryFeatures",
    ];

    /// <summary>Changes the farm of a run.</summary>
    /// <param name="former">The builders of the run.</param>
    /// <param name="chosen">Builders in their place: objects or names; none: those of the run.</param>
    /// <param name="added">Builders that there might be.</param>
    /// <param name="without">Names of builders to leave out.</param>
    /// <param name="output">Receives the errors for unknown names.</param>
    /// <param name="cancellation">Ends the search for configured builders.</param>
    /// <exception cref="NixBuildFarmException">An added builder is described wrongly, or no builder is left.</exception>
    public static async Task<IReadOnlyList<FarmBuilder>> FromAsync(
        IReadOnlyList<FarmBuilder> former, IReadOnlyList<object> chosen, IReadOnlyList<Hashtable> added, IReadOnlyList<string> without,
        CommandOutput output, CancellationToken cancellation)
    {
        List<FarmBuilder> farm = chosen.Count == 0 ? [.. former] : await ChooseAsync(former, chosen, output, cancellation);
        foreach (var name in without)
        {
            var pattern = WildcardPattern.Get(name, WildcardOptions.IgnoreCase);
            if (farm.RemoveAll(builder => pattern.IsMatch(builder.Name)) == 0) output.Error(NotFound(name, farm), name);
        }
        foreach (var description in added) farm.Add(Describe(description, farm));
        return farm.Count > 0
            ? farm
            : throw new NixBuildFarmException("NoBuilder", "No builder is left.", "Look at -Builder and -WithoutBuilder.");
    }

    private static async Task<List<FarmBuilder>> ChooseAsync(
        IReadOnlyList<FarmBuilder> former, IReadOnlyList<object> chosen, CommandOutput output, CancellationToken cancellation)
    {
        var farm = new List<FarmBuilder>();
        var others = new List<object>();
        foreach (var item in chosen)
        {
            var name = (item as PSObject)?.BaseObject as string ?? item as string;
            var pattern = name is null ? null : WildcardPattern.Get(name, WildcardOptions.IgnoreCase);
            FarmBuilder[] fitting = pattern is null ? [] : [.. former.Where(builder => pattern.IsMatch(builder.Name))];
            farm.AddRange(fitting);
            if (fitting.Length == 0) others.Add(item);
        }
        if (others.Count > 0)
        {
            farm.AddRange((await BuilderSelection.FromAsync(others, output, cancellation)).Select(builder => AsKnown(builder, former)));
        }
        return [.. farm.DistinctBy(builder => builder.Name)];
    }

    /// <summary>A builder as it is configured now, with the speeds and bandwidths that the run knew of it.</summary>
    private static FarmBuilder AsKnown(NixBuilder builder, IReadOnlyList<FarmBuilder> former)
    {
        var configured = builder.ToFarmBuilder();
        if (former.FirstOrDefault(known => known.Name == builder.Name) is not { } before) return configured;
        return configured with
        {
            Systems =
            [
                .. configured.Systems.Select(
                    system => before.SpeedOf(system.System) is > 0 and var speed ? system with { Speed = speed } : system),
            ],
            UploadBandwidth = before.UploadBandwidth,
            DownloadBandwidth = before.DownloadBandwidth,
        };
    }

    private static FarmBuilder Describe(Hashtable description, List<FarmBuilder> farm)
    {
        var values = description.Cast<DictionaryEntry>()
            .ToDictionary(entry => $"{entry.Key}", entry => entry.Value, StringComparer.OrdinalIgnoreCase);
        if (values.Keys.FirstOrDefault(key => !Keys.Contains(key, StringComparer.OrdinalIgnoreCase)) is { } unknown)
        {
            var close = CloseNames.To(unknown, Keys);
            throw Invalid(
                $"“{unknown}” is no property of a builder",
                close.Count > 0 ? $"Did you mean {string.Join(" or ", close)}?" : $"It has {string.Join(", ", Keys)}.");
        }
        var systems = Get<string[]>(values, "Systems") ?? [];
        if (systems.Length == 0 || systems.Any(string.IsNullOrWhiteSpace))
        {
            throw Invalid("it needs Systems", "Name at least one: -AddBuilder @{ Systems = 'riscv64-linux' }.");
        }
        var speed = Get<double?>(values, "SpeedFactor") ?? 1;
        if (!(speed > 0) || double.IsInfinity(speed))
        {
            throw Invalid($"its SpeedFactor {speed} is no number above 0", "1 is the speed of a usual builder.");
        }
        var name = Get<string>(values, "Name") ?? NewName(farm);
        if (farm.Exists(builder => builder.Name == name))
        {
            throw Invalid($"there is a builder of the name {name} already", "Give it another Name.");
        }
        return new FarmBuilder
        {
            Name = name,
            Systems = [.. systems.Distinct().Select(system => new SystemSpeed(system, speed))],
            MaxJobs = Positive(values, "MaxJobs", 10_000) ?? 1,
            Cores = Positive(values, "Cores", 100_000) ?? 0,
            SupportedFeatures = Get<string[]>(values, "SupportedFeatures") ?? [],
            MandatoryFeatures = Get<string[]>(values, "MandatoryFeatures") ?? [],
        };
    }

    private static int? Positive(Dictionary<string, object?> values, string key, int most) => Get<int?>(values, key) is not { } value ? null
        : value >= 1 && value <= most ? value
        : throw Invalid($"its {key} {value} is not between 1 and {most}", "Give another number.");

    private static T? Get<T>(Dictionary<string, object?> values, string key)
    {
        if (!values.TryGetValue(key, out var value) || value is null) return default;
        try
        {
            return (T?)LanguagePrimitives.ConvertTo(value, typeof(T), CultureInfo.InvariantCulture);
        }
        catch (PSInvalidCastException e)
        {
            throw Invalid($"its {key} “{value}” is not what is expected: {e.Message}", "Look at the help of -AddBuilder.");
        }
    }

    private static string NewName(List<FarmBuilder> farm) =>
        Enumerable.Range(1, farm.Count + 1)
            .Select(i => i == 1 ? "added" : $"added{i}")
            .First(name => !farm.Exists(builder => builder.Name == name));

    private static NixBuildFarmException Invalid(string why, string recommendation) =>
        new("InvalidBuilder", $"The builder of -AddBuilder is invalid: {why}.", recommendation);

    private static NixBuildFarmException NotFound(string name, IEnumerable<FarmBuilder> farm) =>
        new(
            "BuilderNotFound",
            $"The farm has no builder “{name}”.",
            $"It has {string.Join(", ", farm.Select(builder => builder.Name).Take(10))}.");
}
