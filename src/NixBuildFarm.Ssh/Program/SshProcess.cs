using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Ssh.Channels;

namespace NixBuildFarm.Ssh.Program;

/// <summary>An ssh process that has logged in.</summary>
internal sealed class SshProcess : IAsyncDisposable
{
    /// <summary>The output of ssh's LocalCommand after the login, before anything remote.</summary>
    public const string ConnectedMark = "nixbuildfarm-connected";

    /// <summary>The exit code of an ssh that could not do its own work.</summary>
    public const int ErrorOfSshItself = 255;

    private const int LongestPreamble = 64 * 1024;

    // ssh's own words after its peer has hung up. The rest is from a ProxyCommand, or from the ssh to a jump host.
    private static readonly string[] OwnWords =
        ["kex_exchange_identification", "banner exchange", "Connection closed by", "Connection reset by"];

    // ssh's words about a control socket that it cannot make: bind or link fails, or the path is too long for its system.
    private static readonly string[] SocketWords = ["unix_listener", "mux listener", "ControlPath"];
    private static readonly TimeSpan Farewell = TimeSpan.FromMilliseconds(300);

    private readonly Process process;
    private readonly SshErrors errors;
    private readonly ErrorTail errorTail = new();
    private readonly Task draining;
    private readonly Task exiting;
    private int isDisposed;

    private SshProcess(Process process, SshErrors errors)
    {
        this.process = process;
        this.errors = errors;
        Output = process.StandardOutput.BaseStream;
        Input = process.StandardInput.BaseStream;
        draining = DrainAsync(process.StandardError.BaseStream);
        exiting = process.WaitForExitAsync();
    }

    /// <summary>What follows the login.</summary>
    public Stream Output { get; }

    /// <summary>Its end ends a remote program that reads it.</summary>
    public Stream Input { get; }

    /// <summary>The last lines of its standard error.</summary>
    public string ErrorOutput => errorTail.ToString();

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded => exiting.IsCompleted;

    /// <summary>Starts ssh and waits until it has logged in.</summary>
    /// <exception cref="BuilderException">It could not.</exception>
    /// <exception cref="NoGreetingException">The server hung up before its greeting, or did not greet in time.</exception>
    /// <exception cref="NoControlSocketException">It cannot listen to its control socket.</exception>
    public static async Task<SshProcess> StartAsync(IEnumerable<string> arguments, SshErrors errors, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(ProgramPath.Find("ssh") ?? throw errors.NoSshProgram("it is in no folder of PATH"), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process started;
        try
        {
            started = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw errors.NoSshProgram(e.Message);
        }
        var ssh = new SshProcess(started, errors);
        try
        {
            await ssh.WaitForLoginAsync(cancellation);
            return ssh;
        }
        catch
        {
            await ssh.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until it has ended, and its last words are read.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> EndAsync(CancellationToken cancellation)
    {
        await exiting.WaitAsync(cancellation);
        await draining.WaitAsync(cancellation);
        return process.ExitCode;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref isDisposed, 1) != 0) return;
        // The end of its input ends the remote program, and that ends ssh.
        await Input.DisposeAsync();
        await Output.DisposeAsync();
        try
        {
            await exiting.WaitAsync(Farewell);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            await exiting;
        }
        process.StandardError.Close();
        await draining;
        process.Dispose();
    }

    private async Task WaitForLoginAsync(CancellationToken cancellation)
    {
        var line = new StringBuilder();
        var next = new byte[1]; // one at a time: what follows the mark belongs to the remote program
        for (var i = 0; i < LongestPreamble; i++)
        {
            if (await Output.ReadAsync(next, cancellation) == 0) break;
            if (next[0] != '\n')
            {
                line.Append((char)next[0]);
                continue;
            }
            if (line.ToString() == ConnectedMark) return;
            line.Clear();
        }
        throw LoginProblem(await EndAsync(cancellation));
    }

    private Exception LoginProblem(int exitCode)
    {
        var text = ErrorOutput;
        if (Says("Host key verification failed") || Says("IDENTIFICATION HAS CHANGED") || Says("No matching host key"))
        {
            return errors.HostKeyRefused(text);
        }
        var words = string.Join('\n', text.Split('\n').Where(line => !OwnWords.Any(own => line.StartsWith(own, StringComparison.Ordinal))));
        var isProxys = errors.Proxy is not null && words.Length > 0;
        if (Says("kex_exchange_identification") || Says("timed out during banner exchange") || Says("UNKNOWN port"))
        {
            return isProxys ? errors.ProxyFailed(words) : new NoGreetingException(text);
        }
        if (SocketWords.Any(Says)) return new NoControlSocketException(text);
        return Says("Permission denied") || Says("authentication failures") ? errors.AuthenticationFailed(text)
            : Says("no matching") ? errors.NotUnderstood(new IOException(text))
            : isProxys ? errors.ProxyFailed(words)
            : errors.Unreachable(text.Length > 0 ? text : $"ssh ended with exit code {exitCode} and no message");

        bool Says(string words) => text.Contains(words, StringComparison.OrdinalIgnoreCase);
    }

    private async Task DrainAsync(Stream errorStream)
    {
        var buffer = new byte[4096];
        try
        {
            while (await errorStream.ReadAsync(buffer) is > 0 and var count) errorTail.Append(buffer.AsSpan(0, count));
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // It is being closed.
        }
    }

    /// <summary>The server hung up before it said “SSH-2.0-…”, or did not say it in time.</summary>
    internal sealed class NoGreetingException(string message) : Exception(message);

    /// <summary>The file system of the control socket has no sockets, or no hard links.</summary>
    internal sealed class NoControlSocketException(string message) : Exception(message);
}
