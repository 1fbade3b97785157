using System.Text.Json;
using System.Text.RegularExpressions;
using NixBuildFarm.EngineHost;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.History;

/// <summary>A page that follows a run while it goes on: how it looks is tested in tests/Report.</summary>
public sealed partial class LiveReportTests(TestFarm farm) : IDisposable
{
    // A job is a run of another session as far as the page is concerned: it knows no more than its events.
    private const string Build = "$job = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix -AsJob; "
        + "while (-not (Get-NixBuild -State Running)) { Start-Sleep -Milliseconds 100 }; ";

    private readonly BuildSession session = new();
    private readonly HttpClient client = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        client.Dispose();
        session.Dispose();
    }

    [Fact]
    public async Task The_page_follows_the_run_to_its_end_and_then_nothing_listens_any_more()
    {
        session.Write("some", """package "top" "cat $inputs > $out" [ (package "bottom" (held + "echo > $out") [ ]) ]""");
        using var running = session.Start(Build + "Export-NixBuildReport -Live; $job | Receive-Job -Wait -AutoRemoveJob | Out-Null");
        var address = AddressOf(running);

        Assert.Equal("127.0.0.1", address.Host);
        await Until.TrueAsync(
            async () => StatusesIn(await ReportAsync(address)) is ["bottom: building", "top: waiting"], "the report has the build");
        var page = await client.GetStringAsync(address, Cancellation);
        var follow = Assert.Single(Follow().Matches(page)).Groups["address"].Value;

        await session.ReleaseAsync(farm.Ruby);
        // Kept: when one has been told of the end, nothing may answer any more.
        JsonElement last = default;
        await Until.TrueAsync(
            async () => StateIn(last = await ReportAsync(new(address, follow))) == "Succeeded", "the page is told of the end");
        running.Wait(Until.Limit);

        Assert.Equal(["bottom: Built", "top: Built"], StatusesIn(last));
        // What only the history has.
        Assert.True(last.GetProperty("lowerBound").GetDouble() > 0);
        Assert.NotEqual(0, last.GetProperty("copies").GetArrayLength());
        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetStringAsync(address, Cancellation));
        Assert.Contains("RunHasEnded,", session.Run("Get-NixBuild -Last 1 | Export-NixBuildReport -Live").Errors);
    }

    [Fact]
    public async Task Ctrl_C_ends_the_page_and_not_the_run()
    {
        session.Write("some", """package "bottom" (held + "echo > $out") [ ]""");
        using (var running = session.Start(Build + "Export-NixBuildReport -Live"))
        {
            var address = AddressOf(running);
            await ReportAsync(address);

            await Task.Run(running.Stop, Cancellation).WaitAsync(Until.Limit, Cancellation);

            Assert.True(running.Wait(Until.Limit).Stopped);
            await Assert.ThrowsAsync<HttpRequestException>(() => client.GetStringAsync(address, Cancellation));
        }
        await session.ReleaseAsync(farm.Ruby);
        var after = session.Run("($job | Receive-Job -Wait -AutoRemoveJob).Status.ToString()");
        Assert.Equal(["Built"], after.Script.OutputAs<string>());
    }

    [Fact]
    public void Where_nothing_runs_there_is_no_page()
    {
        Assert.Contains("NothingRuns,", session.Run("Export-NixBuildReport -Live").Errors);
        Assert.Contains("RunNotFound,", session.Run("Export-NixBuildReport -Live -Run 2020").Errors);
    }

    private static Uri AddressOf(RunningScript running) => new(running.Output.First().BaseObject.ToString()!);

    private async Task<JsonElement> ReportAsync(Uri address) =>
        JsonDocument.Parse(await client.GetStringAsync(
            address.Query.Length > 0 ? address : new Uri(address, "report.json"), Cancellation)).RootElement;

    private static string StateIn(JsonElement report) => report.GetProperty("state").GetString()!;

    private static string[] StatusesIn(JsonElement report) =>
    [
        .. report.GetProperty("jobs").EnumerateArray().Select(job => $"{job.GetProperty("name").GetString()}: "
            + (job.TryGetProperty("status", out var status) ? status.GetString()
                : job.TryGetProperty("start", out _) ? "building" : "waiting")),
    ];

    [GeneratedRegex("<meta name=\"follow\" content=\"(?<address>[^\"]+)\">", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Follow();
}
