using System.Collections;
using System.Globalization;
using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;

namespace NixBuildFarm.Hosting;

/// <summary>Writes PowerShell values as expressions of the Nix language.</summary>
internal static class NixExpression
{
    /// <summary>The expression of a string, number, boolean, null, list or table.</summary>
    /// <exception cref="NixBuildFarmException">Nix has no such value.</exception>
    public static string From(object? value) => (value is PSObject wrapped ? wrapped.BaseObject : value) switch
    {
        null => "null",
        bool b => b ? "true" : "false",
        SwitchParameter s => s.IsPresent ? "true" : "false",
        string s => NixLiteral.Of(s),
        sbyte or byte or short or ushort or int or uint or long => ((IFormattable)value!).ToString(null, CultureInfo.InvariantCulture),
        double d when double.IsFinite(d) => d.ToString("0.0###############", CultureInfo.InvariantCulture),
        IDictionary table =>
            $"{{ {string.Concat(table.Cast<DictionaryEntry>().Select(e => $"{NixLiteral.Of(e.Key.ToString()!)} = {From(e.Value)}; "))}}}",
        IEnumerable list => $"[ {string.Concat(list.Cast<object?>().Select(item => $"({From(item)}) "))}]",
        var other =>
            throw new NixBuildFarmException(
                "InvalidArgument",
                $"A {other.GetType().Name} cannot be given to Nix.",
                "Give strings, numbers, booleans, lists and tables of these."),
    };

    /// <summary>The value of a setting of nix.conf: lists have blanks between their items.</summary>
    /// <exception cref="NixBuildFarmException">No setting has such a value.</exception>
    public static string Setting(object? value) => (value is PSObject wrapped ? wrapped.BaseObject : value) switch
    {
        null => "",
        string s => s,
        bool b => b ? "true" : "false",
        SwitchParameter s => s.IsPresent ? "true" : "false",
        IDictionary =>
            throw new NixBuildFarmException(
                "InvalidOption", "A table is no value of a setting of Nix.", "Give a string, number, boolean, or a list of these."),
        IEnumerable list => string.Join(' ', list.Cast<object?>().Select(Setting)),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        var other => $"{other}",
    };
}
