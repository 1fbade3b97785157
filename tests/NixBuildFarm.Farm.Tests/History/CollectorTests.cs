using System.Text.Json;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.History;

/// <summary>A run as a trace, taken by a collector of others.</summary>
public sealed class CollectorTests : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public async Task A_collector_has_the_run_its_builds_what_they_needed_and_what_failed()
    {
        Assert.SkipUnless(Collector.IsInstalled, "There is no collector for this machine's processor.");
        await using var collector = await Collector.StartAsync();
        session.Write("some", """package "top" "echo 'the reason'; exit 3" [ (package "bottom" "echo > $out" [ ]) ]""");
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix");

        var send = $"Export-NixBuildReport -Collector {collector.Address}";
        var sent = session.Run($"{send}; {send}");

        Assert.Equal("", sent.Errors);
        var spans = await collector.SpansAsync();
        var run = Assert.Single(spans, span => Text(span, "name").StartsWith("run ", StringComparison.Ordinal));
        var bottom = Named(spans, "bottom");
        var top = Named(spans, "top");
        Assert.Equal((Text(run, "spanId"), Text(run, "spanId")), (Text(bottom, "parentSpanId"), Text(top, "parentSpanId")));
        Assert.Equal((1, 2, 2), (Status(bottom), Status(top), Status(run)));
        Assert.Equal(Text(bottom, "spanId"), Text(Assert.Single(top.GetProperty("links").EnumerateArray()), "spanId"));
        Assert.Equal("ruby", Attribute(bottom, "nix.builder"));
        var seconds = (long.Parse(Text(bottom, "endTimeUnixNano")) - long.Parse(Text(bottom, "startTimeUnixNano"))) / 1e9;
        var known = session.Run("(Get-NixBuild -Last 1 -Result | Where-Object Name -eq bottom).Seconds");
        Assert.Equal(Assert.Single(known.Script.OutputAs<double>()), seconds, 1e-3);
    }

    [Fact]
    public void One_that_takes_no_traces_is_an_error_that_says_so()
    {
        session.Write("one", """package "one" "echo > $out" [ ]""");
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path one.nix").Succeeded();

        Assert.Contains("TraceNotSent,", session.Run("Export-NixBuildReport -Collector http://localhost:9").Errors);
        Assert.Contains("NotACollector,", session.Run("Export-NixBuildReport -Collector ftp://localhost").Errors);
    }

    private static JsonElement Named(JsonElement[] spans, string name) => Assert.Single(spans, span => Text(span, "name") == name);

    private static int Status(JsonElement span) => span.GetProperty("status").GetProperty("code").GetInt32();

    private static string Text(JsonElement element, string property) => element.GetProperty(property).GetString()!;

    private static string Attribute(JsonElement span, string key) => Text(
        Assert.Single(span.GetProperty("attributes").EnumerateArray(), attribute => Text(attribute, "key") == key).GetProperty("value"),
        "stringValue");
}
