using System.Net.Http.Headers;
using NixBuildFarm.Errors;
using NixBuildFarm.Reporting;
using NixBuildFarm.Text;

namespace NixBuildFarm.History;

/// <summary>Sends traces to a collector of OpenTelemetry: OTLP over HTTP, as JSON.</summary>
internal static class TraceCollector
{
    private const int LongestAnswer = 300;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Sends the trace of a run.</summary>
    /// <param name="collector">Its address; the path of traces is added, unless it has that already.</param>
    /// <param name="report">The run.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="NixBuildFarmException">It does not answer, or refuses the trace.</exception>
    public static async Task SendAsync(Uri collector, RunReport report, CancellationToken cancellation)
    {
        if (!collector.IsAbsoluteUri || collector.Scheme is not ("http" or "https"))
        {
            throw new NixBuildFarmException(
                "NotACollector", $"“{collector}” is no address of a collector.", "Give its address with http:// or https://.");
        }
        using var trace = new MemoryStream();
        OtlpTrace.Write(report, trace);
        using var client = new HttpClient { Timeout = Patience };
        using var content = new ByteArrayContent(trace.ToArray());
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        try
        {
            using var answer = await client.PostAsync(AddressOf(collector), content, cancellation);
            if (answer.IsSuccessStatusCode) return;
            var text = TerminalText.Strip(await answer.Content.ReadAsStringAsync(cancellation));
            if (text.Length > LongestAnswer) text = text[..LongestAnswer];
            throw Refused($"it answers {(int)answer.StatusCode} {answer.ReasonPhrase}: {text}", null);
        }
        catch (HttpRequestException e)
        {
            throw Refused(e.Message, e);
        }
        catch (TaskCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw Refused($"it has not answered within {Patience.TotalSeconds:0} s", e);
        }

        NixBuildFarmException Refused(string why, Exception? cause) => new(
            "TraceNotSent", $"The collector {AddressOf(collector)} has not taken the trace: {why.TrimEnd('.')}.",
            "See whether it takes OTLP over HTTP at this address. Export-NixBuildReport run.otlp.json writes the same into a file.", cause);
    }

    private static Uri AddressOf(Uri collector) =>
        collector.AbsolutePath.EndsWith(OtlpTrace.Path, StringComparison.Ordinal)
            ? collector
            : new(collector.ToString().TrimEnd('/') + '/' + OtlpTrace.Path);
}
