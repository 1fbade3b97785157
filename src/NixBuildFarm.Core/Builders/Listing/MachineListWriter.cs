using System.Globalization;
using System.Text;

namespace NixBuildFarm.Builders.Listing;

/// <summary>Writes builders in the form of <c>/etc/nix/machines</c>.</summary>
public static class MachineListWriter
{
    /// <summary>A line for each builder. The local machine has one like any other.</summary>
    public static string Write(IEnumerable<NixBuilder> builders)
    {
        var text = new StringBuilder();
        foreach (var builder in builders) text.Append(Line(builder)).Append('\n');
        return text.ToString();
    }

    /// <summary>Why a list cannot describe a builder, i.e. its line would be parsed as another one; null: it can.</summary>
    public static string? WhyNot(NixBuilder builder)
    {
        if (builder.IdentityFile is { } key && key.Any(c => c is ' ' or '\t'))
        {
            return "the path of its key has a blank, which ends a column of a list";
        }
        var list = MachineList.Parse(Line(builder), "list", builder, _ => null);
        if (list.Builders is not [var back] || list.Problems.Any(p => p.Severity == ProblemSeverity.Error))
        {
            return list.Problems.Count > 0 ? $"{list.Problems[0].Field}: {list.Problems[0].Message}" : "its address is none of a list";
        }
        return Differences(builder, back).FirstOrDefault() is { } property ? $"a list has no way to write its {property}" : null;
    }

    /// <summary>The properties that are not the same in two descriptions of a builder, names and sources apart.</summary>
    internal static IEnumerable<string> Differences(NixBuilder one, NixBuilder other)
    {
        (string Name, Func<NixBuilder, object?> Value)[] properties =
        [
            (nameof(NixBuilder.Uri), b => b.Uri),
            (nameof(NixBuilder.HostName), b => b.HostName),
            (nameof(NixBuilder.User), b => b.User),
            (nameof(NixBuilder.Port), b => b.Port),
            (nameof(NixBuilder.Systems), b => string.Join(',', b.Systems)),
            (nameof(NixBuilder.IdentityFile), b => b.IdentityFile),
            (nameof(NixBuilder.MaxJobs), b => b.MaxJobs),
            (nameof(NixBuilder.SpeedFactor), b => b.SpeedFactor),
            (nameof(NixBuilder.SupportedFeatures), b => string.Join(',', b.SupportedFeatures)),
            (nameof(NixBuilder.MandatoryFeatures), b => string.Join(',', b.MandatoryFeatures)),
            (nameof(NixBuilder.HostKey), b => b.HostKey),
        ];
        return properties.Where(property => !Equals(property.Value(one), property.Value(other))).Select(property => property.Name);
    }

    /// <summary>The line of a builder, with another speed than its own where one is given.</summary>
    internal static string Line(NixBuilder builder, double? speed = null)
    {
        string[] columns =
        [
            builder.Uri,
            List(builder.Systems),
            builder.IdentityFile ?? "-",
            builder.MaxJobs.ToString(CultureInfo.InvariantCulture),
            (speed ?? builder.SpeedFactor).ToString("R", CultureInfo.InvariantCulture),
            List(builder.SupportedFeatures),
            List(builder.MandatoryFeatures),
            builder.HostKey is { } key ? HostKeyLine.Encode(key) : "-",
        ];
        // Trailing columns may be missing.
        return string.Join(' ', columns[..(Array.FindLastIndex(columns, column => column != "-") + 1)]);
    }

    private static string List(IReadOnlyList<string> items) => items.Count > 0 ? string.Join(',', items) : "-";
}
