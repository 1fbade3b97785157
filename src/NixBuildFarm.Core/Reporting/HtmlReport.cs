using System.Text;

namespace NixBuildFarm.Reporting;

/// <summary>
/// The report as one page that needs nothing else: no network, no other file. Names, logs and errors are in it as data only; the page makes
/// text nodes of them.
/// </summary>
public static class HtmlReport
{
    // In each of these files, markers stand for what is put in.
    private const string DataMarker = "/*DATA*/";
    private const string StyleMarker = "/*STYLE*/";
    private const string ScriptMarker = "/*SCRIPT*/";

    /// <summary>Writes it.</summary>
    public static void Write(RunReport report, Stream output)
    {
        using var writer = new StreamWriter(output, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
        var page = Resource("report.html").Replace(StyleMarker, Resource("report.css"), StringComparison.Ordinal).Replace(ScriptMarker, Resource("report.js"), StringComparison.Ordinal);
        // The data comes last, and is looked into for no marker.
        var data = page.IndexOf(DataMarker, StringComparison.Ordinal);
        writer.Write(page[..data]);
        writer.Write(ReportJson.Text(report));
        writer.Write(page[(data + DataMarker.Length)..]);
    }

    private static string Resource(string name)
    {
        using var stream = typeof(HtmlReport).Assembly.GetManifestResourceStream($"NixBuildFarm.Reporting.{name}")
            ?? throw new InvalidOperationException($"The assembly lacks {name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
