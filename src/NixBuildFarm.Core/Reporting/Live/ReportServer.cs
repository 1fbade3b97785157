using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Reporting.Live;

/// <summary>
/// Serves a report that changes, to browsers of this machine. It listens on 127.0.0.1 alone, answers what is addressed to just that, so
/// that no name of another site leads here, and only below a path that nobody can guess: other users of this machine reach its ports too.
/// </summary>
public sealed class ReportServer : IDisposable
{
    private const int TokenBytes = 24, MostTries = 20;
    private const string Page = "", Data = "report.json", DataOfPage = $"{Data}?page=";

    /// <summary>A page asks every 10 seconds, and one that nobody sees once a minute: browsers allow it no more.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(2);

    private readonly HttpListener listener;
    private readonly SemaphoreSlim turn = new(1);
    private readonly ConcurrentDictionary<int, Follower> followers = new();
    private readonly Func<RunReport> report;
    private readonly TimeProvider time;
    private readonly byte[] token;
    private readonly string host;
    private int pages;

    private ReportServer(HttpListener listener, int port, Func<RunReport> report, TimeProvider time)
    {
        (this.listener, this.report, this.time) = (listener, report, time);
        host = $"{IPAddress.Loopback}:{port}";
        var secret = Convert.ToHexString(RandomNumberGenerator.GetBytes(TokenBytes)).ToLowerInvariant();
        token = Encoding.ASCII.GetBytes(secret);
        Address = new($"http://{host}/{secret}/");
    }

    /// <summary>Where the page is. Who knows it can read the report.</summary>
    public Uri Address { get; }

    /// <summary>Whether a page that asked lately has not yet got a report of the run after its end.</summary>
    public bool HasUntold
    {
        get
        {
            var since = time.GetUtcNow() - LongestPause;
            return followers.Values.Any(page => !page.KnowsEnd && page.Asked >= since);
        }
    }

    /// <summary>Begins to listen.</summary>
    /// <param name="port">The port; null: a free one.</param>
    /// <param name="report">Gives the report as it is now; called by one request at a time.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="NixBuildFarmException">The port is taken, or not ours to take.</exception>
    public static ReportServer Start(int? port, Func<RunReport> report, TimeProvider time)
    {
        for (var attempt = 1; ; attempt++)
        {
            var own = port ?? FreePort();
            var started = new HttpListener { IgnoreWriteExceptions = true };
            // All paths, so that what is not the token gets the same answer whatever it is.
            started.Prefixes.Add($"http://{IPAddress.Loopback}:{own}/");
            try
            {
                started.Start();
                return new(started, own, report, time);
            }
            catch (Exception e) when (e is HttpListenerException or SocketException)
            {
                started.Close();
                // Another may take a port that was free.
                if (port is null && attempt < MostTries) continue;
                throw new NixBuildFarmException(
                    "PortTaken", $"The report cannot be served at port {own}: {e.Message}",
                    "Name another port, or leave -Port out: then a free one is taken.", e);
            }
        }
    }

    /// <summary>Answers until it is cancelled; then nothing listens any more.</summary>
    public async Task ServeAsync(CancellationToken cancellation)
    {
        using var stopping = cancellation.Register(listener.Close);
        var answers = new List<Task>();
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                // Who reads slowly holds nobody else up.
                answers.Add(AnswerAsync(await listener.GetContextAsync(), cancellation));
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                if (!listener.IsListening) break;
            }
            answers.RemoveAll(answer => answer.IsCompleted);
        }
        await Task.WhenAll(answers);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        listener.Close();
        turn.Dispose();
    }

    private async Task AnswerAsync(HttpListenerContext context, CancellationToken cancellation)
    {
        var (request, response) = (context.Request, context.Response);
        try
        {
            response.KeepAlive = false;
            Protect(response.Headers);
            var asked = Allows(request);
            if (asked is null) response.StatusCode = (int)HttpStatusCode.NotFound;
            else if (request.HttpMethod != HttpMethod.Get.Method) response.StatusCode = (int)HttpStatusCode.MethodNotAllowed;
            else await WriteAsync(response, asked, cancellation);
            response.Close();
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or IOException or OperationCanceledException)
        {
            // The browser has gone, and asks again if it wants to; or the server ends.
            response.Abort();
        }
        catch (Exception)
        {
            // Whatever it is, nobody is left without an answer, and the next is as likely to be well. The page asks again.
            Refuse(response);
        }
    }

    private static void Refuse(HttpListenerResponse response)
    {
        try
        {
            response.StatusCode = (int)HttpStatusCode.InternalServerError;
            response.Close();
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or IOException or InvalidOperationException)
        {
            // A part of the answer is on its way already.
            response.Abort();
        }
    }

    private static void Protect(WebHeaderCollection headers)
    {
        headers["Cache-Control"] = "no-store";
        headers["Referrer-Policy"] = "no-referrer";
        headers["X-Content-Type-Options"] = "nosniff";
        headers["X-Frame-Options"] = "DENY";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }

    /// <summary>What is asked for below the secret path; null: it is not for this request.</summary>
    private string? Allows(HttpListenerRequest request)
    {
        if (request.Headers["Host"] != host || !request.IsLocal) return null;
        var parts = request.RawUrl?.Split('/', 3);
        if (parts is not ["", var secret, var asked]) return null;
        if (!CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(secret), token)) return null;
        return asked is Page or Data || FollowerIn(asked) is not null ? asked : null;
    }

    /// <summary>The number of the page that asks for its data; null: it is none that was served.</summary>
    private int? FollowerIn(string asked) =>
        asked.StartsWith(DataOfPage, StringComparison.Ordinal)
            && int.TryParse(asked.AsSpan(DataOfPage.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var page)
            && followers.ContainsKey(page) ? page : null;

    private async Task WriteAsync(HttpListenerResponse response, string asked, CancellationToken cancellation)
    {
        var page = asked == Page ? Interlocked.Increment(ref pages) : FollowerIn(asked);
        if (page is { } asking) followers[asking] = new(time.GetUtcNow(), KnowsEnd: false);
        using var body = new MemoryStream();
        RunReport current;
        await turn.WaitAsync(cancellation);
        try
        {
            current = report();
            if (asked == Page) HtmlReport.Write(current, body, follow: $"{DataOfPage}{page}");
            else ReportJson.Write(current, body);
        }
        finally
        {
            turn.Release();
        }
        response.ContentType = asked == Page ? "text/html; charset=utf-8" : "application/json";
        response.ContentLength64 = body.Length;
        body.Position = 0;
        await body.CopyToAsync(response.OutputStream, cancellation);
        await response.OutputStream.FlushAsync(cancellation);
        if (page is { } told && current.State != History.RunState.Running) followers[told] = new(time.GetUtcNow(), KnowsEnd: true);
    }

    /// <summary>A page that was served: when it asked last, and whether it was told then that the run has ended.</summary>
    private sealed record Follower(DateTimeOffset Asked, bool KnowsEnd);

    // A listener of HTTP takes no port 0.
    private static int FreePort()
    {
        using var finder = new TcpListener(IPAddress.Loopback, 0);
        finder.Start();
        return ((IPEndPoint)finder.LocalEndpoint).Port;
    }
}
