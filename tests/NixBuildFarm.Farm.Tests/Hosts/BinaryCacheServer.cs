using System.Net;

namespace NixBuildFarm.Farm.Tests.Hosts;

/// <summary>A folder as a binary cache over HTTP, which takes uploads, on the coordinator.</summary>
public sealed class BinaryCacheServer : IDisposable
{
    private readonly HttpListener listener = new();
    private readonly string folder;

    /// <summary>Begins to serve.</summary>
    public BinaryCacheServer(string folder)
    {
        this.folder = Directory.CreateDirectory(folder).FullName;
        var port = FreePort();
        Uri = $"http://coordinator:{port}";
        listener.Prefixes.Add($"http://+:{port}/");
        listener.Start();
        _ = ServeAsync();
    }

    /// <summary>Where it is, for every host of the farm.</summary>
    public string Uri { get; }

    /// <summary>The paths that were asked for, and how, e.g. <c>PUT /nix-cache-info</c>.</summary>
    public System.Collections.Concurrent.ConcurrentQueue<string> Requests { get; } = new();

    public void Dispose() => listener.Close();

    private static int FreePort()
    {
        using var socket = new System.Net.Sockets.TcpListener(IPAddress.Any, 0);
        socket.Start();
        return ((IPEndPoint)socket.LocalEndpoint).Port;
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
            _ = Task.Run(() => AnswerAsync(context));
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        var (request, response) = (context.Request, context.Response);
        using var closing = response;
        Requests.Enqueue($"{request.HttpMethod} {request.Url!.AbsolutePath}");
        var file = Path.Combine(folder, request.Url.AbsolutePath.TrimStart('/'));
        if (request.HttpMethod == "PUT")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await using var written = File.Create(file);
            await request.InputStream.CopyToAsync(written);
        }
        else if (!File.Exists(file))
        {
            response.StatusCode = (int)HttpStatusCode.NotFound;
        }
        else
        {
            response.ContentLength64 = new FileInfo(file).Length;
            if (request.HttpMethod == "HEAD") return;
            await using var read = File.OpenRead(file);
            await read.CopyToAsync(response.OutputStream);
        }
    }
}
