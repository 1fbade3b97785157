using System.Diagnostics;
using NixBuildFarm.Farms;
using NixBuildFarm.Reporting.Events;
using NixBuildFarm.Serving;
using NixBuildFarm.Watching;

namespace NixBuildFarm.View.Tests;

/// <summary>A farm as metrics, read by the parser that Prometheus' own client has.</summary>
public sealed class FarmMetricsTests
{
    private const string Reader = """
        import sys
        from prometheus_client.parser import text_string_to_metric_families
        for family in text_string_to_metric_families(sys.stdin.read()):
            for sample in family.samples:
                print(family.type, sample.name, *[f"{k}={v}" for k, v in sorted(sample.labels.items())], sample.value)
        """;

    [Fact]
    public async Task A_parser_of_others_finds_each_metric_with_its_labels()
    {
        var run = new WatchedRun();
        run.Apply(new() { Event = RunEventKind.RunBegan, Time = DateTimeOffset.UnixEpoch, Run = "r" });
        run.Apply(new()
        {
            Event = RunEventKind.BuildBegan, Time = DateTimeOffset.UnixEpoch, Derivation = "d", Name = "hello", Builder = "ruby",
            Phase = "building",
        });
        run.Apply(new() { Event = RunEventKind.MachineRead, Time = DateTimeOffset.UnixEpoch, Builder = "ruby", Load = 1.5 });
        var text = FarmMetrics.Of([(Farm("default"), [run]), (Farm("a \"b\" \\ c"), [])]);

        var lines = await ParseAsync(text);

        Assert.Contains("gauge nixbuildfarm_up farm=default 1.0", lines);
        Assert.Contains("gauge nixbuildfarm_up farm=a \"b\" \\ c 1.0", lines);
        Assert.Contains("gauge nixbuildfarm_start_time_seconds farm=default 1767323045.0", lines);
        Assert.Contains("gauge nixbuildfarm_derivations farm=default state=running 1.0", lines);
        Assert.Contains("gauge nixbuildfarm_builder_builds builder=ruby farm=default 1.0", lines);
        Assert.Contains("gauge nixbuildfarm_builder_load builder=ruby farm=default 1.5", lines);
    }

    private static NixFarm Farm(string name) => new()
    {
        Name = name, Address = "unix:///run/farm/socket", ProcessId = 1, Started = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        Builders = ["ruby", "kana"], Clients = 2, Runs = ["r"],
    };

    private static async Task<string[]> ParseAsync(string text)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/python3"), "There is no python3 here.");
        using var python = Process.Start(new ProcessStartInfo("/usr/bin/python3", ["-c", Reader])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        await python.StandardInput.WriteAsync(text);
        python.StandardInput.Close();
        var errors = python.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var lines = await python.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var isMissing = (await errors).Contains("No module named 'prometheus_client'", StringComparison.Ordinal);
        Assert.SkipWhen(isMissing, "There is no prometheus_client here.");
        Assert.Equal("", await errors);
        return lines.TrimEnd().Split('\n');
    }
}
