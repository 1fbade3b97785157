using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.Connection;
using NixBuildFarm.Ssh.HostKeys;
using NixBuildFarm.Ssh.Identities;
using NixBuildFarm.Ssh.Program;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh;

/// <summary>
/// Connects to one builder. When the first channel is requested, ssh_config is resolved, and decides whether SSH.NET connects, or the ssh
/// program for features that SSH.NET lacks.
/// </summary>
internal sealed class SshTransport(
    NixBuilder builder, TransportOptions options, SshEnvironment environment, IdleConnections? kept = null) : IBuilderTransport
{
    private readonly SemaphoreSlim choosing = new(1);
    private readonly CancellationTokenSource closing = new();
    private IBuilderTransport? chosen;
    private SourceSshFiles? sourceFiles;

    /// <inheritdoc/>
    public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(closing.IsCancellationRequested, this);
        return await (chosen ?? await ChooseAsync(cancellation)).OpenAsync(use, cancellation);
    }

    /// <inheritdoc/>
    public async Task<IBuilderChannel> OpenAsync(StoreProgram program, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(closing.IsCancellationRequested, this);
        return await (chosen ?? await ChooseAsync(cancellation)).OpenAsync(program, cancellation);
    }

    /// <inheritdoc/>
    public void LeaveDaemonSocket(string reason) => chosen?.LeaveDaemonSocket(reason);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        await choosing.WaitAsync();
        if (chosen is not null) await chosen.DisposeAsync();
        sourceFiles?.Dispose();
        choosing.Release();
    }

    private async Task<IBuilderTransport> ChooseAsync(CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, closing.Token);
        await choosing.WaitAsync(cancellation);
        try
        {
            if (chosen is not null) return chosen;
            using var turn = await LoginTurn.TakeAsync(stop.Token);
            using var watch = new SilenceWatch(options.ConnectTimeout, TimeProvider.System, stop.Token);
            return chosen = await ChooseInTimeAsync(watch.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested && !closing.IsCancellationRequested)
        {
            throw new BuilderException(
                builder.Name,
                BuilderFailure.Configuration,
                $"Builder {builder.Name}: “ssh -G {builder.HostName}” took more than {options.ConnectTimeout.TotalSeconds:0.#} s.",
                "Look at the Match exec lines of ssh_config.");
        }
        finally
        {
            choosing.Release();
        }

        async Task<IBuilderTransport> ChooseInTimeAsync(CancellationToken inTime)
        {
            if (builder.Ssh is { } settings) sourceFiles ??= new(settings, environment);
            var own = sourceFiles?.In(environment) ?? environment;
            var config = await SshConfigReader.ReadAsync(builder, own, inTime);
            return await BlockingTaskScheduler.Run(() => Choose(config, own, inTime));
        }
    }

    private IBuilderTransport Choose(SshConfig config, SshEnvironment own, CancellationToken cancellation)
    {
        Action<string> verbose = text => options.Verbose?.Invoke($"{builder.Name}: {text}");
        verbose($"ssh_config resolves {builder.HostName} to {config.User}@{config.HostName} port {config.Port}");
        var identities = new IdentitySource(builder, config, options.KeyPassphrase, verbose);
        if ((config.NeedsSshProgram ?? identities.NeedsSshProgram(cancellation)) is { } reason)
        {
            verbose($"uses the ssh program: {reason}");
            return new SshProgramTransport(builder, config, own, options);
        }
        var hostKeys = new HostKeyVerifier(builder, config, KnownHostsFiles.Read(config, sourceFiles, verbose));
        // A user who gives a passphrase wants it to be used.
        var sshNet = new SshNetTransport(
            new SshTarget(builder, config, hostKeys, identities, options), options.KeyPassphrase is null ? kept : null);
        // A passphrase that was given to us cannot be given to the ssh program.
        return options.KeyPassphrase is not null || ProgramPath.Find("ssh") is null
            ? sshNet
            : new BulkTransport(new SshProgramTransport(builder, config, own, options), sshNet, verbose);
    }
}
