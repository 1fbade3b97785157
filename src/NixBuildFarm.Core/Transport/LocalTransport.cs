using System.ComponentModel;
using System.Diagnostics;
using System.Net.Sockets;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Transport;

/// <summary>
/// Connects to this machine's own store: over the daemon's socket if a daemon runs, else by a <c>nix-daemon --stdio</c> of our own, which
/// works for the owner of the store.
/// </summary>
internal sealed class LocalTransport : IBuilderTransport
{
    private const int ConnectAttempts = 20;
    private static readonly TimeSpan ConnectPause = TimeSpan.FromMilliseconds(20);

    /// <inheritdoc/>
    public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
        ShellScript.Of(use) is { } script ? SpawnShell(script)
        : use == ChannelUse.Closure ? throw new NotSupportedException("The local daemon is near enough to be asked path by path.")
        : File.Exists(DaemonSocket.Path) ? await ConnectAsync(cancellation)
        : SpawnDaemon();

    /// <inheritdoc/>
    public Task<IBuilderChannel> OpenAsync(StoreProgram program, CancellationToken cancellation) => Task.FromResult<IBuilderChannel>(Spawn(
        program.Path.ToString(),
        [program.Trade],
        e => Unreachable($"{program.Path} cannot be started: {e.Message}.", "See whether it is damaged: nix-store --verify-path", e)));

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static async Task<IBuilderChannel> ConnectAsync(CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await ConnectAsync(socket, cancellation);
            return new SocketChannel(new NetworkStream(socket, ownsSocket: true));
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw Unreachable(
                $"The Nix daemon's socket {DaemonSocket.Path} does not answer: {e.Message}.",
                "Start the Nix daemon: systemctl start nix-daemon",
                e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async Task ConnectAsync(Socket socket, CancellationToken cancellation)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(DaemonSocket.Path), cancellation);
                return;
            }
            // The daemon is busy taking in others: for a Unix socket that is an error at once, not a wait (unix(7), EAGAIN).
            catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock && attempt < ConnectAttempts)
            {
                await Task.Delay(ConnectPause * attempt, cancellation);
            }
        }
    }

    private static ProcessChannel SpawnDaemon()
    {
        var program = ProgramPath.Find("nix-daemon")
            ?? throw Unreachable(
                $"No Nix daemon listens on {DaemonSocket.Path}, and there is no nix-daemon in PATH.",
                "Install Nix on this machine.",
                cause: null);
        return Spawn(
            program,
            ["--stdio"],
            e =>
                Unreachable(
                    $"No Nix daemon listens on {DaemonSocket.Path}, and nix-daemon cannot be started: {e.Message}.",
                    "Install Nix on this machine.",
                    e));
    }

    private static ProcessChannel SpawnShell(string script) => Spawn(
        "/bin/sh", ["-c", script], e => Unreachable($"/bin/sh cannot be started: {e.Message}.", "Look at /bin/sh.", e));

    private static ProcessChannel Spawn(string program, string[] arguments, Func<Win32Exception, BuilderException> problem)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // It would be a client of the front in place of the daemon behind it.
        if (DaemonSocket.IsFront) start.Environment.Remove(DaemonSocket.Variable);
        try
        {
            return new ProcessChannel(Process.Start(start)!);
        }
        catch (Win32Exception e)
        {
            throw problem(e);
        }
    }

    private static BuilderException Unreachable(string message, string recommendation, Exception? cause) =>
        new(NixBuilder.LocalName, BuilderFailure.Unreachable, message, recommendation, cause);

    private sealed class SocketChannel(NetworkStream stream) : IBuilderChannel
    {
        public Stream Stream => stream;

        public string ErrorOutput => "";

        public ValueTask DisposeAsync() => stream.DisposeAsync();
    }

    private sealed class ProcessChannel : IBuilderChannel
    {
        private const int KeptLines = 20;
        private readonly Process process;
        private readonly Queue<string> errorLines = new();

        public ProcessChannel(Process process)
        {
            this.process = process;
            Stream = new DuplexStream(process.StandardOutput.BaseStream, process.StandardInput.BaseStream);
            process.ErrorDataReceived += (_, e) => Keep(e.Data);
            process.BeginErrorReadLine();
        }

        public Stream Stream { get; }

        public string ErrorOutput
        {
            get
            {
                lock (errorLines) return string.Join('\n', errorLines);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await Stream.DisposeAsync();
            if (!process.HasExited) process.Kill();
            process.Dispose();
        }

        private void Keep(string? line)
        {
            if (line is null) return;
            lock (errorLines)
            {
                if (errorLines.Count == KeptLines) errorLines.Dequeue();
                errorLines.Enqueue(line);
            }
        }
    }
}
