using System.Text;

namespace NixBuildFarm.Sharing;

/// <summary>
/// The source of the shim (<c>Sharing/shim</c>), which each builder's own toolchain compiles, as one file: <c>shim.c</c> with the
/// sections that it includes in their places.
/// </summary>
public static class ShimSource
{
    private const string IncludeStart = "#include \"";

    /// <summary>The name of the file.</summary>
    public const string FileName = "nixbuildfarm-shim.c";

    /// <summary>Its text; the same in every process, so that the shim is built once for each toolchain.</summary>
    public static string Text { get; } = Assemble();

    private static string Assemble()
    {
        var text = new StringBuilder();
        foreach (var line in Read("shim.c").Split('\n'))
        {
            text.Append(
                line.StartsWith(IncludeStart, StringComparison.Ordinal) ? Read(line[IncludeStart.Length..].TrimEnd('"')) : line + "\n");
        }
        return text.ToString();
    }

    private static string Read(string name)
    {
        using var stream = typeof(ShimSource).Assembly.GetManifestResourceStream($"NixBuildFarm.Sharing.shim.{name}")
            ?? throw new InvalidOperationException($"The section {name} of the shim is missing from the assembly.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
