using System.Collections.Frozen;
using System.Globalization;
using System.Text.RegularExpressions;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// A table of measured facts that is shipped: a line for each package, its name and then figures. A package is found by the names that its
/// variants have in nixpkgs too.
/// </summary>
internal sealed partial class PackageTable
{
    private readonly FrozenDictionary<string, double[]> rows;

    /// <summary>Reads a table.</summary>
    /// <param name="file">The name of its file.</param>
    /// <param name="figures">How many figures each line has.</param>
    public PackageTable(string file, int figures)
    {
        using var stream = typeof(PackageTable).Assembly.GetManifestResourceStream($"NixBuildFarm.Scheduling.{file}")
            ?? throw new InvalidOperationException($"The table {file} is missing from the assembly.");
        using var reader = new StreamReader(stream);
        var table = new Dictionary<string, double[]>();
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#')) continue;
            var fields = line.Split(' ');
            if (fields.Length != figures + 1) throw new InvalidDataException($"{file} has another number of figures in '{line}'.");
            table.Add(fields[0], [.. fields.Skip(1).Select(figure => double.Parse(figure, CultureInfo.InvariantCulture))]);
        }
        rows = table.ToFrozenDictionary();
    }

    /// <summary>A table of other figures than those that are shipped.</summary>
    public PackageTable(IEnumerable<KeyValuePair<string, double[]>> rows) => this.rows = rows.ToFrozenDictionary();

    /// <summary>The figures of a package; null: the table does not have it.</summary>
    public IReadOnlyList<double>? Find(string package)
    {
        var name = CrossTarget().Replace(package.ToLowerInvariant(), "");
        if (rows.TryGetValue(name, out var found)) return found;
        name = LanguagePackage().Replace(name, "");
        return rows.GetValueOrDefault(name) ?? rows.GetValueOrDefault(Variant().Replace(name, ""));
    }

    /// <summary>Whether a package is one of a language that has its own way of building, by its name.</summary>
    public static bool IsOfOtherLanguage(string package) => LanguagePackage().IsMatch(package);

    // Of the clock on the wall: a busy machine may keep a thread waiting for seconds.
    private const int TimeLimit = 60_000;

    [GeneratedRegex(
        @"^(python[23](\.\d+)?|perl5?(\.\d+)*|ruby\d*(\.\d+)*|lua\d*(\.\d+)*|ocaml\d*(\.\d+)*|emacs|vimplugin|texlive|r)-",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase,
        TimeLimit)]
    private static partial Regex LanguagePackage();

    [GeneratedRegex(
        @"^(x86_64|i686|aarch64|armv[67]l|riscv64|powerpc64le)-[a-z0-9]+-[a-z0-9]+(-[a-z0-9]+)?-(?=[a-z])",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        TimeLimit)]
    private static partial Regex CrossTarget();

    [GeneratedRegex(@"(-(unwrapped|minimal|bootstrap|full|headless|static|slim|nox|small|interactive|unstable|lts|latest|git|only|libc|no-libc))+$|(?<=[a-z])[-_]?\d+(\.\d+)*$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeLimit)]
    private static partial Regex Variant();
}
