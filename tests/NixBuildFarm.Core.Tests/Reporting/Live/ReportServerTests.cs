using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Reporting;
using NixBuildFarm.Reporting.Live;

namespace NixBuildFarm.Core.Tests.Reporting.Live;

/// <summary>A report is served to browsers of this machine, and to who knows its address, alone.</summary>
public sealed class ReportServerTests : IAsyncDisposable
{
    private const string RunId = "20260301-120000-abcd";

    private readonly CancellationTokenSource stop = new();
    private readonly ReportServer server;
    private readonly Task serving;
    private readonly HttpClient client = new();
    private readonly FakeTimeProvider time = new();
    private RunState state = RunState.Running;
    private Exception? trouble;

    public ReportServerTests()
    {
        server = ReportServer.Start(port: null, Report, time);
        serving = server.ServeAsync(stop.Token);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await serving;
        server.Dispose();
        client.Dispose();
        stop.Dispose();
    }

    [Fact]
    public async Task The_page_has_the_report_and_asks_for_newer_ones_of_its_own_server_alone()
    {
        var page = await client.GetStringAsync(server.Address, Cancellation);

        Assert.Contains(RunId, page, StringComparison.Ordinal);
        Assert.Contains("connect-src 'self'", page, StringComparison.Ordinal);
        Assert.Contains("""<meta name="follow" content="report.json?page=1">""", page, StringComparison.Ordinal);
        Assert.Contains(RunId, await client.GetStringAsync(DataOf(1), Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_page_in_a_file_asks_for_nothing()
    {
        using var file = new MemoryStream();
        HtmlReport.Write(Report(), file);
        var page = Encoding.UTF8.GetString(file.ToArray());

        Assert.DoesNotContain("connect-src", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<meta name=\"follow\"", page, StringComparison.Ordinal);
        Assert.Equal(RunId, JsonDocument.Parse(await client.GetStringAsync(new Uri(server.Address, "report.json"), Cancellation))
            .RootElement.GetProperty("runId").GetString());
    }

    [Fact]
    public async Task No_answer_may_be_kept_framed_or_read_by_another_site()
    {
        using var answer = await client.GetAsync(new Uri(server.Address, "report.json"), Cancellation);

        Assert.True(answer.Headers.CacheControl?.NoStore);
        Assert.Equal(["DENY"], answer.Headers.GetValues("X-Frame-Options"));
        Assert.Equal(["no-referrer"], answer.Headers.GetValues("Referrer-Policy"));
        Assert.Equal(["same-origin"], answer.Headers.GetValues("Cross-Origin-Resource-Policy"));
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Theory]
    [InlineData("example.org")]
    [InlineData("localhost")]
    [InlineData("127.0.0.1.example.org")]
    public async Task A_name_that_leads_here_is_refused_as_another_site_may_have_made_it(string host)
    {
        var answer = await SayAsync(
            $"GET {server.Address.AbsolutePath}report.json HTTP/1.1\r\nHost: {host}:{server.Address.Port}\r\nConnection: close\r\n\r\n");

        Assert.Matches(@"^HTTP/1\.1 4\d\d ", answer);
        Assert.DoesNotContain(RunId, answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/report.json")]
    [InlineData("/0/report.json")]
    [InlineData("/%2e%2e/report.json")]
    [InlineData("//report.json")]
    public async Task Without_the_secret_path_nothing_is_told(string path)
    {
        var answer = await SayAsync($"GET {path} HTTP/1.1\r\nHost: {server.Address.Authority}\r\nConnection: close\r\n\r\n");

        Assert.Matches(@"^HTTP/1\.1 4\d\d ", answer);
        Assert.DoesNotContain(RunId, answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../report.json")]
    [InlineData("report.json/more")]
    [InlineData("report.json?more")]
    [InlineData("report.json?page=1")]
    [InlineData("report.json?page=")]
    [InlineData("other")]
    public async Task Nor_is_there_anything_else_below_it(string path)
    {
        var answer = await SayAsync(
            $"GET {server.Address.AbsolutePath}{path} HTTP/1.1\r\nHost: {server.Address.Authority}\r\nConnection: close\r\n\r\n");

        Assert.Matches(@"^HTTP/1\.1 4\d\d ", answer);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    [InlineData("OPTIONS")]
    public async Task Nothing_but_reading_is_answered(string method)
    {
        using var request = new HttpRequestMessage(new(method), server.Address);
        using var answer = await client.SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
    }

    [Fact]
    public async Task What_is_no_request_does_not_end_the_server()
    {
        await SayAsync("\u0001\u0002 nonsense\r\n\r\n");
        await SayAsync("GET / HTTP/1.1\r\n\r\n");

        Assert.Contains(RunId, await client.GetStringAsync(server.Address, Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_knows_whether_each_page_was_told_of_the_end()
    {
        Assert.False(server.HasUntold);
        await client.GetStringAsync(server.Address, Cancellation);
        await client.GetStringAsync(server.Address, Cancellation);
        Assert.True(server.HasUntold);

        state = RunState.Succeeded;
        await client.GetStringAsync(DataOf(1), Cancellation);
        // What is no page tells no page.
        await client.GetStringAsync(new Uri(server.Address, "report.json"), Cancellation);
        Assert.True(server.HasUntold);

        await client.GetStringAsync(DataOf(2), Cancellation);
        // The answer may be here before its end is.
        await Until.TrueAsync(() => !server.HasUntold, "the server knows that its answers were read");
    }

    [Fact]
    public async Task A_page_that_has_not_asked_for_long_is_closed()
    {
        await client.GetStringAsync(server.Address, Cancellation);
        time.Advance(TimeSpan.FromSeconds(100));
        await client.GetStringAsync(DataOf(1), Cancellation);
        time.Advance(TimeSpan.FromSeconds(100));
        Assert.True(server.HasUntold);

        time.Advance(TimeSpan.FromSeconds(100));

        Assert.False(server.HasUntold);
    }

    [Fact]
    public async Task A_report_that_cannot_be_made_is_an_answer_and_does_not_end_the_server()
    {
        trouble = new InvalidOperationException("the record is odd");
        using (var answer = await client.GetAsync(server.Address, Cancellation))
        {
            Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        }
        trouble = null;

        Assert.Contains(RunId, await client.GetStringAsync(server.Address, Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_listens_when_it_has_ended()
    {
        await stop.CancelAsync();
        await serving;

        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetStringAsync(server.Address, Cancellation));
    }

    [Fact]
    public void A_port_that_is_taken_is_an_error_that_names_it()
    {
        var error = Assert.Throws<NixBuildFarmException>(() => ReportServer.Start(server.Address.Port, Report, time));

        Assert.Equal("PortTaken", error.Id);
        Assert.Contains($"{server.Address.Port}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_server_has_an_address_that_cannot_be_guessed()
    {
        using var other = ReportServer.Start(port: null, Report, time);

        Assert.NotEqual(server.Address.AbsolutePath, other.Address.AbsolutePath);
        Assert.True(server.Address.AbsolutePath.Length >= 48);
        Assert.Equal("127.0.0.1", server.Address.Host);
    }

    private Uri DataOf(int page) => new(server.Address, $"report.json?page={page}");

    private RunReport Report() => trouble is not null ? throw trouble : new RunRecord
    {
        Id = RunId, Started = DateTimeOffset.UnixEpoch, Ended = DateTimeOffset.UnixEpoch.AddSeconds(5), State = state, Requested = ["top"],
    }.ToReport();

    /// <summary>Says to the port what no client of HTTP would say, and reads what it answers.</summary>
    private async Task<string> SayAsync(string request)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, server.Address.Port, Cancellation);
        var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), Cancellation);
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync(Cancellation);
    }
}
