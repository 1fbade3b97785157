using System.Text.RegularExpressions;
using NixBuildFarm.Text;

namespace NixBuildFarm.Builders.Listing;

/// <summary>
/// Recognises texts of a machines list that belong to another column. Nix silently takes a host key for a feature, or a system for a key
/// file, if a column is left out; here that is a warning.
/// </summary>
internal static partial class ColumnShape
{
    private const int LeastKeyLength = 20;
    private const int LeastTypo = 5;

    private static readonly string[] Kernels =
        [
            "linux", "darwin", "freebsd", "netbsd", "openbsd", "cygwin", "windows", "solaris", "none", "wasi", "genode", "redox",
            "mmixware", "ghcjs",
        ];

    private static readonly string[] Processors =
    [
        "x86_64", "x86_64-v1", "x86_64-v2", "x86_64-v3", "x86_64-v4", "i686", "i586", "i486", "i386", "aarch64", "aarch64_be", "arm",
        "armv5tel", "armv6l", "armv6m", "armv7a", "armv7l", "armv7r", "armv8a",
        "avr", "javascript", "loongarch64", "m68k", "microblaze", "microblazeel", "mips", "mips64", "mips64el", "mipsel", "mmix", "msp430",
        "or1k",
        "powerpc", "powerpc64", "powerpc64le", "powerpcle", "riscv32", "riscv64", "rx", "s390", "s390x", "sparc", "sparc64", "vc4",
        "wasm32", "wasm64",
    ];

    private static readonly Dictionary<string, string> OtherNames = new(StringComparer.OrdinalIgnoreCase)
    {
        ["amd64"] = "x86_64", ["x64"] = "x86_64", ["x86-64"] = "x86_64", ["x86"] = "i686", ["arm64"] = "aarch64", ["armhf"] = "armv7l",
        ["ppc64le"] = "powerpc64le",
    };

    private static readonly string[] UsualFeatures =
        ["kvm", "nixos-test", "benchmark", "big-parallel", "ca-derivations", "recursive-nix", "uid-range", "apple-virt", "hvf", "cuda"];

    /// <summary>The column that the text looks like, if it is another one; null: it may be right.</summary>
    public static string? Other(MachineField field, string text)
    {
        var isList = field is MachineField.SupportedFeatures or MachineField.MandatoryFeatures;
        if (field != MachineField.HostKey && IsHostKey(text)) return "a host key";
        if (field is not (MachineField.Uri or MachineField.IdentityFile) && IsPath(text)) return "the path of a file";
        if (field != MachineField.Systems && Items(text) is { Length: > 0 } items && Array.TrueForAll(items, IsSystem)) return "a system";
        if (!isList && Items(text).Any(IsFeature)) return "features";
        return field is not (MachineField.MaxJobs or MachineField.SpeedFactor) && IsNumber().IsMatch(text) ? "a number" : null;
    }

    /// <summary>Whether a text is a system that Nix can know: a processor and a kernel.</summary>
    public static bool IsSystem(string text)
    {
        var dash = text.LastIndexOf('-');
        return dash > 0 && Processors.Contains(text[..dash]) && Kernels.Contains(text[(dash + 1)..]);
    }

    /// <summary>The system that was meant by an unknown one; null: it may be right.</summary>
    public static string? MeantBy(string text)
    {
        if (IsSystem(text)) return null;
        foreach (var (name, processor) in OtherNames)
        {
            if (text.StartsWith(name + "-", StringComparison.OrdinalIgnoreCase) && IsSystem(processor + text[name.Length..]))
            {
                return processor + text[name.Length..];
            }
        }
        // x86_64_linux is meant so too.
        var dash = text.Contains('-', StringComparison.Ordinal) ? text.LastIndexOf('-') : text.LastIndexOf('_');
        return dash > 0 && Known(text[..dash], Processors) is { } known && Known(text[(dash + 1)..], Kernels) is { } kernel
            ? $"{known}-{kernel}"
            : null;
    }

    // Short names are close to one another without being meant.
    private static string? Known(string name, string[] all) =>
        Array.Find(all, known => known == name) ?? (name.Length >= LeastTypo && CloseNames.To(name, all) is [var close, ..] ? close : null);

    /// <summary>The quotes and brackets of a text, which a list does not have; null: none.</summary>
    public static string? Marks(string text) => MarkCharacters().Matches(text) is { Count: > 0 } marks
        ? string.Join(" and ", marks.Select(mark => mark.Value[0] is '"' or '\'' ? "quotes" : "brackets").Distinct())
        : null;

    /// <summary>The text without them.</summary>
    public static string WithoutMarks(string text) => MarkCharacters().Replace(text, "");

    private static string[] Items(string text) => WithoutMarks(text).Split(',', StringSplitOptions.RemoveEmptyEntries);

    private static bool IsFeature(string text) => UsualFeatures.Contains(text) || text.StartsWith("gccarch-", StringComparison.Ordinal);

    private static bool IsPath(string text) => text.StartsWith('/') || text.StartsWith("~/", StringComparison.Ordinal);

    private static bool IsHostKey(string text) =>
        text.Length >= LeastKeyLength && (text.StartsWith("AAAA", StringComparison.Ordinal) || HostKeyLine.IsEncoded(text));

    [GeneratedRegex(@"\A[+-]?[0-9]+(?:\.[0-9]+)?\z", RegexOptions.NonBacktracking)]
    private static partial Regex IsNumber();

    [GeneratedRegex("""["'\[\]{}()“”]""", RegexOptions.NonBacktracking)]
    private static partial Regex MarkCharacters();
}
