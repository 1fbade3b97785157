using System.Globalization;
using System.Xml;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Text;

namespace NixBuildFarm.Reporting;

/// <summary>
/// The report as JUnit XML, which CI systems show as tests: a suite for the run, and in it a case for each derivation. One whose input
/// failed is skipped; one that nobody could build is an error and not a failure. A run that went wrong without such a case has one of its
/// own, with the error.
/// </summary>
public static class JUnitReport
{
    private const string Suite = "NixBuildFarm";

    /// <summary>Writes it.</summary>
    public static void Write(RunReport report, Stream output)
    {
        using var xml = XmlWriter.Create(output, new() { Indent = true, CloseOutput = false, CheckCharacters = true });
        xml.WriteStartDocument();
        xml.WriteStartElement("testsuites");
        WriteCounts(xml, report);
        xml.WriteAttributeString("name", Suite);
        xml.WriteStartElement("testsuite");
        xml.WriteAttributeString("name", string.Join(", ", report.Requested.Select(Clean)));
        WriteCounts(xml, report);
        xml.WriteAttributeString("skipped", Number(report.Jobs.Count(IsSkipped)));
        xml.WriteAttributeString("timestamp", report.Started.UtcDateTime.ToString("s", CultureInfo.InvariantCulture));
        xml.WriteAttributeString("hostname", Clean(Environment.MachineName));
        WriteProperties(xml, report);
        foreach (var job in report.Jobs) Write(xml, report, job);
        if (IsErrorItself(report)) WriteRun(xml, report);
        xml.WriteElementString("system-out", "");
        xml.WriteElementString("system-err", Clean(report.Error ?? ""));
        xml.WriteEndElement();
        xml.WriteEndElement();
        xml.WriteEndDocument();
    }

    private static void WriteCounts(XmlWriter xml, RunReport report)
    {
        var own = IsErrorItself(report) ? 1 : 0;
        xml.WriteAttributeString("tests", Number(report.Jobs.Count + own));
        xml.WriteAttributeString("failures", Number(report.Jobs.Count(IsFailure)));
        xml.WriteAttributeString("errors", Number(report.Jobs.Count(IsError) + own));
        xml.WriteAttributeString("time", Seconds(report.Seconds));
    }

    private static void WriteProperties(XmlWriter xml, RunReport report)
    {
        xml.WriteStartElement("properties");
        foreach (var (name, value) in new[] { ("run", report.RunId), ("state", report.State.ToString()) })
        {
            xml.WriteStartElement("property");
            xml.WriteAttributeString("name", name);
            xml.WriteAttributeString("value", value);
            xml.WriteEndElement();
        }
        xml.WriteEndElement();
    }

    private static void Write(XmlWriter xml, RunReport report, ReportJob job)
    {
        xml.WriteStartElement("testcase");
        xml.WriteAttributeString("name", Clean(job.Name));
        xml.WriteAttributeString("classname", Clean(job.System));
        xml.WriteAttributeString("time", Seconds(job.Seconds));
        if (IsSkipped(job)) WriteProblem(xml, "skipped", job);
        else if (IsFailure(job)) WriteProblem(xml, "failure", job);
        else if (IsError(job)) WriteProblem(xml, "error", job);
        if (job.Builder is { } row)
        {
            xml.WriteElementString("system-out", Clean($"{job.Status?.ToString() ?? "Running"} on {report.Builders[row].Name}"));
        }
        xml.WriteEndElement();
    }

    private static void WriteRun(XmlWriter xml, RunReport report)
    {
        xml.WriteStartElement("testcase");
        xml.WriteAttributeString("name", "run");
        xml.WriteAttributeString("classname", Suite);
        xml.WriteAttributeString("time", Seconds(report.Seconds));
        xml.WriteStartElement("error");
        xml.WriteAttributeString("message", Clean(FailureText.InOneLine(report.Error ?? $"The run ended as {report.State}.")));
        xml.WriteAttributeString("type", report.State.ToString());
        xml.WriteEndElement();
        xml.WriteEndElement();
    }

    private static void WriteProblem(XmlWriter xml, string kind, ReportJob job)
    {
        xml.WriteStartElement(kind);
        xml.WriteAttributeString("message", Clean(FailureText.InOneLine(job.Error ?? job.Status?.ToString() ?? "It has not ended.")));
        if (kind != "skipped")
        {
            xml.WriteAttributeString("type", job.Status?.ToString());
            var phase = job.Phase is { } name ? $"in {name}\n" : "";
            xml.WriteString(Clean(phase + string.Join('\n', job.LogTail)));
        }
        xml.WriteEndElement();
    }

    private static bool IsErrorItself(RunReport report) =>
        report.State is not (RunState.Succeeded or RunState.Running) && !report.Jobs.Any(job => IsFailure(job) || IsError(job));

    private static bool IsFailure(ReportJob job) => job.Status is NixBuildStatus.Failed or NixBuildStatus.TimedOut;

    private static bool IsError(ReportJob job) => job.Status == NixBuildStatus.NoEligibleBuilder;

    private static bool IsSkipped(ReportJob job) => job.Status is null or NixBuildStatus.DependencyFailed or NixBuildStatus.Cancelled;

    private static string Number(int count) => count.ToString(CultureInfo.InvariantCulture);

    private static string Seconds(double seconds) => seconds.ToString("0.000", CultureInfo.InvariantCulture);

    /// <summary>Text that XML can have: without terminal control, and without characters that are none.</summary>
    private static string Clean(string text)
    {
        var plain = TerminalText.Strip(text).ToCharArray();
        for (var i = 0; i < plain.Length; i++)
        {
            var isPair = i + 1 < plain.Length && char.IsSurrogatePair(plain[i], plain[i + 1]);
            if (isPair) i++;
            else if (!XmlConvert.IsXmlChar(plain[i])) plain[i] = '�';
        }
        return new(plain);
    }
}
