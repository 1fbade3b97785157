using System.Diagnostics;
using System.Net.Sockets;

namespace NixBuildFarm.Ssh.Tests;

/// <summary>A real ssh-agent for one test.</summary>
internal sealed class KeyAgent : IAsyncDisposable
{
    private readonly Process process;
    private readonly string socket;

    private KeyAgent(string socket)
    {
        this.socket = socket;
        process = Process.Start(new ProcessStartInfo("ssh-agent", ["-D", "-a", socket]) { RedirectStandardOutput = true })!;
    }

    /// <summary>Starts an agent and names it in the user's ssh_config.</summary>
    public static async Task<KeyAgent> StartAsync(SshServer server, params string[] settings)
    {
        var agent = new KeyAgent(Path.Combine(server.Folder, "agent"));
        server.Configure([$"IdentityAgent {agent.socket}", .. settings]);
        // The file of a socket is there before anybody listens.
        await Until.TrueAsync(agent.Listens, "ssh-agent listens");
        return agent;
    }

    private bool Listens()
    {
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            client.Connect(new UnixDomainSocketEndPoint(socket));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Gives it a key.</summary>
    public void Add(string key)
    {
        var start = new ProcessStartInfo("ssh-add", ["-q", key]) { RedirectStandardError = true };
        start.Environment["SSH_AUTH_SOCK"] = socket;
        using var add = Process.Start(start)!;
        var error = add.StandardError.ReadToEnd();
        add.WaitForExit();
        Assert.True(add.ExitCode == 0, error);
    }

    public async ValueTask DisposeAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }
}
