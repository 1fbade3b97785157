using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Channels;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Program;

/// <summary>
/// A remote program behind an ssh process of its own: the pipes of that are the stream, and the kernel bounds the unread bytes.
/// </summary>
internal sealed class SshProgramChannel : IBuilderChannel
{
    private static readonly TimeSpan Farewell = TimeSpan.FromMilliseconds(300);

    private readonly SshProcess ssh;
    private readonly PipeInput input;
    private readonly string commandLine;
    private readonly SshErrors errors;
    private bool isUntouched = true;

    /// <summary>Makes the channel of an ssh that has logged in, and runs a command.</summary>
    public SshProgramChannel(SshProcess ssh, string commandLine, SshErrors errors)
    {
        this.ssh = ssh;
        this.commandLine = commandLine;
        this.errors = errors;
        input = new(ssh.Input);
        PipeSize.Enlarge(ssh.Output);
        PipeSize.Enlarge(ssh.Input);
        Stream = new ChannelStream(ReadAsync, WriteAsync);
    }

    /// <inheritdoc/>
    public Stream Stream { get; }

    /// <inheritdoc/>
    public string ErrorOutput => ssh.ErrorOutput;

    /// <summary>Called when the channel has been closed.</summary>
    public Action? Closed { get; set; }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await input.Written.WaitAsync(Farewell).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await ssh.DisposeAsync();
        Closed?.Invoke();
    }

    private async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        var count = await ssh.Output.ReadAsync(buffer, cancellation);
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
        var exitCode = await ssh.EndAsync(cancellation);
        return exitCode == SshProcess.ErrorOfSshItself
            ? errors.ProgramLost(ErrorOutput)
            : errors.Ended(commandLine, exitCode, ErrorOutput, isUntouched);
    }
}
