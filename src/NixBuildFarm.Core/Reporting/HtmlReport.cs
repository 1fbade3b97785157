using System.Text;

namespace NixBuildFarm.Reporting;

/// <summary>
/// The report as one page that needs nothing else: no network, no other file. Names, logs and errors are in it as data only; the page makes
/// text nodes of them.
/// </summary>
public static class HtmlReport
{
    // Markers in these files are replaced by the contents.
    private const string DataMarker = "/*DATA*/";
    private const string StyleMarker = "/*STYLE*/";
    private const string ScriptMarker = "/*SCRIPT*/";
    private const string FollowMarker = "<!--FOLLOW-->";
    private const string PolicyMarker = "/*POLICY*/";

    private const string Import = "import ";
    private const string Export = "export ";
    private const string ModuleFolder = "./";

    /// <summary>Writes it.</summary>
    /// <param name="report">The report.</param>
    /// <param name="output">Where to.</param>
    /// <param name="follow">The address below the page's own where it asks for newer reports; null: it asks for nothing.</param>
    public static void Write(RunReport report, Stream output, string? follow = null)
    {
        using var writer = new StreamWriter(output, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
        var page = Resource("report.html")
            .Replace(PolicyMarker, follow is null ? "" : "; connect-src 'self'", StringComparison.Ordinal)
            .Replace(FollowMarker, follow is null ? "" : $"<meta name=\"follow\" content=\"{follow}\">", StringComparison.Ordinal)
            .Replace(StyleMarker, Resource("report.css"), StringComparison.Ordinal)
            .Replace(ScriptMarker, Script(), StringComparison.Ordinal);
        // The data comes last, and is looked into for no marker.
        var data = page.IndexOf(DataMarker, StringComparison.Ordinal);
        writer.Write(page[..data]);
        writer.Write(ReportJson.Text(report));
        writer.Write(page[(data + DataMarker.Length)..]);
    }

    /// <summary>
    /// The modules of the page as one, for a page from a file may load no other: each after those that it imports, without imports and
    /// exports. So an import is one line, and no two modules have a name in common.
    /// </summary>
    private static string Script()
    {
        var script = new StringBuilder();
        var joined = new HashSet<string>();
        Join("main.js");
        return script.ToString();

        void Join(string module)
        {
            if (!joined.Add(module)) return;
            var own = new StringBuilder();
            foreach (var line in Resource(module).Split('\n'))
            {
                if (line.StartsWith(Import, StringComparison.Ordinal)) Join(line.Split('\'')[1][ModuleFolder.Length..]);
                else own.Append(line.StartsWith(Export, StringComparison.Ordinal) ? line[Export.Length..] : line).Append('\n');
            }
            script.Append(own);
        }
    }

    private static string Resource(string name)
    {
        using var stream = typeof(HtmlReport).Assembly.GetManifestResourceStream($"NixBuildFarm.Reporting.{name}")
            ?? throw new InvalidOperationException($"The assembly lacks {name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
