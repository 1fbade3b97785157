using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;

namespace NixBuildFarm.Farm.Tests.Hosts;

/// <summary>
/// A collector of OpenTelemetry that nobody here wrote: the dashboard of Aspire, a program in a package. It takes OTLP over HTTP, and tells
/// as JSON what it has taken.
/// </summary>
public sealed class Collector : IAsyncDisposable
{
    private const string Listening = "http://127.0.0.1:0";

    private readonly Process process;
    private readonly HttpClient client = new();
    private readonly Uri questions;

    private Collector(Process process, Uri questions, Uri address) =>
        (this.process, this.questions, Address) = (process, questions, address);

    /// <summary>Whether there is one for this machine.</summary>
    public static bool IsInstalled => File.Exists(Program);

    /// <summary>Where it takes traces.</summary>
    public Uri Address { get; }

    private static string Program => Path.Combine(AppContext.BaseDirectory, "collector", "Aspire.Dashboard");

    /// <summary>Starts one, and waits until it listens.</summary>
    public static async Task<Collector> StartAsync()
    {
        var start = new ProcessStartInfo(Program)
        {
            RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Path.GetDirectoryName(Program),
        };
        foreach (var (name, value) in (IEnumerable<(string, string)>)
        [
            ("ASPNETCORE_URLS", Listening), ("ASPIRE_DASHBOARD_OTLP_HTTP_ENDPOINT_URL", Listening),
            ("ASPIRE_DASHBOARD_UNSECURED_ALLOW_ANONYMOUS", "true"), ("Dashboard__Api__Enabled", "true"),
        ])
        {
            start.Environment[name] = value;
        }
        var started = Process.Start(start)!;
        try
        {
            return await ListeningAsync(started);
        }
        catch
        {
            await EndAsync(started);
            throw;
        }
    }

    private static async Task<Collector> ListeningAsync(Process started)
    {
        _ = started.StandardError.ReadToEndAsync();
        Uri? pages = null, receiver = null;
        var said = new List<string>();
        while (pages is null || receiver is null)
        {
            var line = await started.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken)
                ?? throw new InvalidOperationException($"The collector has ended: {string.Join('\n', said)}");
            said.Add(line);
            pages ??= AddressIn(line, "Dashboard:");
            receiver ??= AddressIn(line, "OTLP/HTTP:");
        }
        _ = started.StandardOutput.ReadToEndAsync();
        return new(started, pages, receiver);
    }

    /// <summary>The spans that it has taken, as it has understood them.</summary>
    public async Task<JsonElement[]> SpansAsync()
    {
        var answer = await client.GetFromJsonAsync<JsonElement>(
            new Uri(questions, "api/telemetry/traces"), TestContext.Current.CancellationToken);
        return
        [
            .. answer.GetProperty("data").GetProperty("resourceSpans").EnumerateArray()
                .SelectMany(resource => resource.GetProperty("scopeSpans").EnumerateArray())
                .SelectMany(scope => scope.GetProperty("spans").EnumerateArray()),
        ];
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await EndAsync(process);
    }

    private static async Task EndAsync(Process process)
    {
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    private static Uri? AddressIn(string line, string name) =>
        line.IndexOf(name, StringComparison.Ordinal) is >= 0 and var at ? new Uri(line[(at + name.Length)..].Trim()) : null;
}
