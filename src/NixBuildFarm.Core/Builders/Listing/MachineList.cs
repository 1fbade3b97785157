using System.Text.RegularExpressions;
using NixBuildFarm.Builders.Nixos;

namespace NixBuildFarm.Builders.Listing;

/// <summary>
/// The builders of a machines list, Nix's format of <c>/etc/nix/machines</c> and of the setting <c>builders</c>
/// (src/libstore/machines.cc). One entry a line, or several with <c>;</c> between them; <c>#</c> begins a comment;
/// <c>@file</c> includes a file. An entry has eight columns, of which the last may be missing and <c>-</c> is the default:
/// store URI, systems, SSH key, maxJobs, speedFactor, supportedFeatures, mandatoryFeatures, host key in base 64.
/// </summary>
/// <remarks>
/// Unlike Nix, one bad entry does not spoil the list: it becomes a <see cref="BuilderProblem"/>, the others are builders.
/// A relative include is looked for beside the file that includes it.
/// An entry that means this machine (<c>local</c>, <c>daemon</c>, <c>auto</c>, <c>ssh://localhost</c>) describes the builder
/// <c>local</c>: what it leaves out is what Nix's own settings say.
/// Every builder has a name of its own: the host, and for further builders of that host, whichever of
/// <c>host:port</c>, <c>user@host</c>, <c>user@host:port</c>, <c>host#2</c> fits no earlier one.
/// </remarks>
public sealed partial class MachineList
{
    internal MachineList(IReadOnlyList<NixBuilder> builders, IReadOnlyList<BuilderProblem> problems)
    {
        Builders = builders;
        Problems = problems;
    }

    /// <summary>The well-formed entries, in the order of the list.</summary>
    public IReadOnlyList<NixBuilder> Builders { get; }

    /// <summary>Problems with the entries that are not used, in the order of the list.</summary>
    public IReadOnlyList<BuilderProblem> Problems { get; }

    /// <summary>
    /// Whether a text is Lix's list in TOML: it begins with a key and <c>=</c>, or with a table. No entry of Nix's own list does.
    /// </summary>
    public static bool IsToml(string text) => TomlBeginning().IsMatch(text);

    /// <summary>Makes builders of the entries of another source.</summary>
    public static MachineList FromEntries(MachineEntries entries, NixBuilder local) =>
        new MachineListReader(local, _ => null, readToml: null).Take(entries);

    /// <summary>The builders of a NixOS configuration: those it describes one by one, then those of its setting <c>builders</c>.</summary>
    internal static MachineList FromModule(
        NixosModule module, NixBuilder local, Func<string, string?> readFile, Func<string, string, MachineEntries>? readToml)
    {
        var reader = new MachineListReader(local, readFile, readToml);
        var list = reader.Take(module.Machines);
        return module.BuildersSetting is { } text ? reader.Read(text, $"nix.settings.builders of {module.Source}") : list;
    }

    /// <summary>Parses a list. Never throws for the contents of the text.</summary>
    /// <param name="text">The list.</param>
    /// <param name="source">The file it comes from, or the name of the setting: for messages and relative includes.</param>
    /// <param name="local">The local machine: its first system is the default of the column.</param>
    /// <param name="readFile">
    /// The text of an included file; null when there is no such file. It may throw <see cref="IOException"/> or
    /// <see cref="UnauthorizedAccessException"/>, which becomes a problem of the list.
    /// </param>
    /// <param name="readToml">Reads text in TOML, of which it also gets the source; null: it is read as anything else.</param>
    public static MachineList Parse(
        string text, string source, NixBuilder local, Func<string, string?> readFile, Func<string, string,
        MachineEntries>? readToml = null) =>
        new MachineListReader(local, readFile, readToml).Read(text, source);

    // Comments and empty lines may come first; they look the same in both.
    [GeneratedRegex("""\A\uFEFF?(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?:\[|(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')(?:[ \t]*\.[ \t]*(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*'))*[ \t]*=)""", RegexOptions.NonBacktracking)]
    private static partial Regex TomlBeginning();
}
