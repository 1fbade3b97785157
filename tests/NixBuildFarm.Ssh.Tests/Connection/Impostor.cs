using System.Net;
using System.Net.Sockets;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>A server that accepts connections, says its words and then nothing, or hangs up.</summary>
internal sealed class Impostor : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly TaskCompletionSource spoken = new();
    private readonly List<TcpClient> clients = [];
    private readonly Task serving;

    public Impostor(string words, bool hangUp = false)
    {
        listener.Start();
        serving = ServeAsync(words, hangUp);
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public Task HasSpoken => spoken.Task;

    public async ValueTask DisposeAsync()
    {
        listener.Stop();
        await serving;
        clients.ForEach(c => c.Dispose());
    }

    private async Task ServeAsync(string words, bool hangUp)
    {
        try
        {
            while (true)
            {
                var client = await listener.AcceptTcpClientAsync();
                clients.Add(client);
                await client.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes(words));
                spoken.TrySetResult();
                if (hangUp) client.Client.Shutdown(SocketShutdown.Send);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }
}
