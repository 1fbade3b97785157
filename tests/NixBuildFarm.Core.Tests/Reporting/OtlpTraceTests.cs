using System.Text.Json;
using NixBuildFarm.Reporting;

namespace NixBuildFarm.Core.Tests.Reporting;

/// <summary>A run as a trace of OpenTelemetry: OTLP as JSON.</summary>
public sealed class OtlpTraceTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("nixbuildfarm-otlp-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void There_is_a_span_for_the_run_and_below_it_for_each_build_try_supply_and_copy()
    {
        string[] names = [.. Spans().Select(span => span.GetProperty("name").GetString()!)];

        Assert.StartsWith("run .#checks", names[0], StringComparison.Ordinal);
        Assert.Equal(["evaluate", "try good", "supply good", "good", "bad", "slow", "bring home from ruby"], names[1..]);
    }

    [Fact]
    public void Ids_have_their_lengths_in_hexadecimal_digits_and_parents_and_links_are_there()
    {
        var spans = Spans();

        var ids = spans.Select(span => span.GetProperty("spanId").GetString()!).ToArray();
        Assert.Equal(ids.Length, ids.Distinct().Count());
        Assert.All(ids, id => Assert.Matches("^[0-9a-f]{16}$", id));
        Assert.All(spans, span => Assert.Matches("^[0-9a-f]{32}$", span.GetProperty("traceId").GetString()!));
        Assert.All(spans.Skip(1), span => Assert.Equal(ids[0], span.GetProperty("parentSpanId").GetString()));
        var link = Assert.Single(Named("bad").GetProperty("links").EnumerateArray());
        Assert.Equal(Named("good").GetProperty("spanId").GetString(), link.GetProperty("spanId").GetString());
    }

    [Fact]
    public void Times_are_nanoseconds_as_text_and_a_failure_is_an_error_with_its_message()
    {
        var bad = Named("bad");

        Assert.Equal("1772366402000000000", bad.GetProperty("startTimeUnixNano").GetString());
        Assert.Equal("1772366405000000000", bad.GetProperty("endTimeUnixNano").GetString());
        Assert.Equal(2, bad.GetProperty("status").GetProperty("code").GetInt32());
        Assert.StartsWith("builder failed", bad.GetProperty("status").GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(1, Named("good").GetProperty("status").GetProperty("code").GetInt32());
    }

    [Fact]
    public void The_same_run_has_the_same_ids()
    {
        Assert.Equal(
            Spans().Select(span => span.GetProperty("spanId").GetString()), Spans().Select(span => span.GetProperty("spanId").GetString()));
    }

    private JsonElement Named(string name) => Spans().Single(span => span.GetProperty("name").GetString() == name);

    private JsonElement[] Spans()
    {
        using var output = new MemoryStream();
        OtlpTrace.Write(SampleRun.In(folder).ToReport(), output);
        using var trace = JsonDocument.Parse(output.ToArray());
        var scope = trace.RootElement.GetProperty("resourceSpans")[0].GetProperty("scopeSpans")[0];
        return [.. scope.GetProperty("spans").EnumerateArray().Select(span => span.Clone())];
    }
}
