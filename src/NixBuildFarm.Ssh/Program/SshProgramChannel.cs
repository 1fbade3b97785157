using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Ssh.Channels;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Program;

/// <summary>A remote program behind an ssh process: its pipes are the stream, and the kernel bounds the unread bytes.</summary>
internal sealed class SshProgramChannel : IBuilderChannel
{
    /// <summary>The output of ssh's LocalCommand after the login, before anything remote.</summary>
    public const string ConnectedMark = "nixbuildfarm-connected";

    private const int LongestPreamble = 64 * 1024;
    private const int ErrorOfSshItself = 255;

    // ssh's own words after its peer has hung up. The rest is from a ProxyCommand, or from the ssh to a jump host.
    private static readonly string[] OwnWords =
        ["kex_exchange_identification", "banner exchange", "Connection closed by", "Connection reset by"];
    private static readonly TimeSpan Farewell = TimeSpan.FromMilliseconds(300);

    private readonly Process process;
    private readonly string commandLine;
    private readonly SshErrors errors;
    private readonly ErrorTail errorTail = new();
    private readonly Task draining;
    private readonly Stream output;
    private readonly Stream input;
    private bool isUntouched = true;
    private int isDisposed;

    private SshProgramChannel(Process process, string commandLine, SshErrors errors)
    {
        this.process = process;
        this.commandLine = commandLine;
        this.errors = errors;
        output = process.StandardOutput.BaseStream;
        input = process.StandardInput.BaseStream;
        PipeSize.Enlarge(output);
        PipeSize.Enlarge(input);
        Stream = new PipeStream(this);
        draining = DrainAsync(process.StandardError.BaseStream);
    }

    /// <inheritdoc/>
    public Stream Stream { get; }

    /// <inheritdoc/>
    public string ErrorOutput => errorTail.ToString();

    /// <summary>Called when the channel has been closed.</summary>
    public Action? Closed { get; set; }

    /// <summary>Starts ssh and waits until it has logged in.</summary>
    /// <exception cref="BuilderException">It could not.</exception>
    /// <exception cref="NoGreetingException">The server hung up before its greeting.</exception>
    public static async Task<SshProgramChannel> OpenAsync(
        IEnumerable<string> arguments, string commandLine, SshErrors errors, CancellationToken cancellation)
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
        var channel = new SshProgramChannel(started, commandLine, errors);
        try
        {
            await channel.WaitForLoginAsync(cancellation);
            return channel;
        }
        catch
        {
            await channel.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref isDisposed, 1) != 0) return;
        // The end of its input ends the remote program, and that ends ssh.
        await input.DisposeAsync();
        await output.DisposeAsync();
        try
        {
            await process.WaitForExitAsync().WaitAsync(Farewell);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
        }
        process.StandardError.Close();
        await draining;
        process.Dispose();
        Closed?.Invoke();
    }

    private async Task WaitForLoginAsync(CancellationToken cancellation)
    {
        var line = new StringBuilder();
        var next = new byte[1]; // one at a time: what follows the mark belongs to the remote program
        for (var i = 0; i < LongestPreamble; i++)
        {
            if (await output.ReadAsync(next, cancellation) == 0) break;
            if (next[0] != '\n')
            {
                line.Append((char)next[0]);
                continue;
            }
            if (line.ToString() == ConnectedMark) return;
            line.Clear();
        }
        await process.WaitForExitAsync(cancellation);
        await draining.WaitAsync(cancellation);
        throw LoginProblem();
    }

    private Exception LoginProblem()
    {
        var text = ErrorOutput;
        if (Says("Host key verification failed") || Says("IDENTIFICATION HAS CHANGED") || Says("No matching host key"))
        {
            return errors.HostKeyRefused(text);
        }
        var words = string.Join('\n', text.Split('\n').Where(line => !OwnWords.Any(own => line.StartsWith(own, StringComparison.Ordinal))));
        var isProxys = errors.Proxy is not null && words.Length > 0;
        if (Says("kex_exchange_identification") || Says("UNKNOWN port"))
        {
            return isProxys ? errors.ProxyFailed(words) : new NoGreetingException(text);
        }
        return Says("Permission denied") || Says("authentication failures") ? errors.AuthenticationFailed(text)
            : Says("no matching") ? errors.NotUnderstood(new IOException(text))
            : isProxys ? errors.ProxyFailed(words)
            : errors.Unreachable(text.Length > 0 ? text : $"ssh ended with exit code {process.ExitCode} and no message");

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
            // The channel is being closed.
        }
    }

    private async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        var count = await output.ReadAsync(buffer, cancellation);
        if (count > 0) isUntouched = false;
        if (count == 0 && !buffer.IsEmpty && await ProblemAsync(cancellation) is { } problem) throw problem;
        return count;
    }

    private async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        try
        {
            await input.WriteAsync(data, cancellation);
        }
        catch (IOException e)
        {
            throw await ProblemAsync(cancellation) ?? errors.Lost($"“{commandLine}” has ended", e);
        }
    }

    // Why the stream has ended; null: because the program has, as it should.
    private async Task<BuilderException?> ProblemAsync(CancellationToken cancellation)
    {
        await process.WaitForExitAsync(cancellation);
        await draining.WaitAsync(cancellation);
        return process.ExitCode == ErrorOfSshItself
            ? errors.Lost(ErrorOutput.Length > 0 ? ErrorOutput : "ssh ended without a message")
            : errors.Ended(commandLine, process.ExitCode, ErrorOutput, isUntouched);
    }

    /// <summary>The server hung up before it said “SSH-2.0-…”.</summary>
    internal sealed class NoGreetingException(string message) : Exception(message);

    private sealed class PipeStream(SshProgramChannel channel) : ChannelStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            channel.ReadAsync(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            channel.WriteAsync(buffer, cancellationToken);
    }
}
