using NixBuildFarm.Errors;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh;

/// <summary>
/// Sends NARs through the ssh program, which needs a fraction of SSH.NET's processor time for each byte (docs/benchmarks.md), and all
/// else through SSH.NET, which needs no process for each channel. Where ssh cannot log in although SSH.NET can, SSH.NET does it all.
/// Where ssh refuses the host key, nothing more goes to that machine: what OpenSSH refuses, we refuse.
/// </summary>
internal sealed class BulkTransport(IBuilderTransport program, IBuilderTransport sshNet, Action<string> verbose) : IBuilderTransport
{
    private volatile bool programIsRefused;
    private volatile BuilderException? wrongHost;

    /// <inheritdoc/>
    public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
        use == ChannelUse.Bulk ? OpenAsync(transport => transport.OpenAsync(use, cancellation)) : OpenBySshNetAsync(use, cancellation);

    /// <inheritdoc/>
    public Task<IBuilderChannel> OpenAsync(StoreProgram storeProgram, CancellationToken cancellation) =>
        OpenAsync(transport => transport.OpenAsync(storeProgram, cancellation));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await Task.WhenAll(program.DisposeAsync().AsTask(), sshNet.DisposeAsync().AsTask());

    private async Task<IBuilderChannel> OpenBySshNetAsync(ChannelUse use, CancellationToken cancellation) =>
        wrongHost is { } refusal ? throw refusal : await sshNet.OpenAsync(use, cancellation);

    private async Task<IBuilderChannel> OpenAsync(Func<IBuilderTransport, Task<IBuilderChannel>> openAsync)
    {
        if (wrongHost is { } refusal) throw refusal;
        if (programIsRefused) return await openAsync(sshNet);
        try
        {
            return await openAsync(program);
        }
        catch (BuilderException e) when (e.Failure == BuilderFailure.HostKeyMismatch)
        {
            wrongHost = e;
            throw;
        }
        // Not where the builder cannot be reached at all: trying twice would take twice as long.
        catch (BuilderException e) when (e.Failure is BuilderFailure.AuthenticationFailed or BuilderFailure.Configuration)
        {
            var channel = await openAsync(sshNet);
            programIsRefused = true;
            verbose($"sends NARs through SSH.NET, since the ssh program cannot log in: {e.Message}");
            return channel;
        }
    }
}
