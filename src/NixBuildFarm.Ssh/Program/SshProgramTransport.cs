using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Ssh.Channels;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.Connection;
using NixBuildFarm.Ssh.Multiplexing;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Program;

/// <summary>
/// Connects to a builder with the ssh program, for features that SSH.NET lacks: ProxyJump, ProxyCommand, keys in FIDO tokens and the like.
/// One login serves all channels but those for NARs, and a channel to the builder's Nix leads straight to the socket of its daemon. What
/// cannot be had so has an ssh process and a login of its own. Host keys are verified as strictly.
/// </summary>
internal sealed class SshProgramTransport : IBuilderTransport
{
    private const int Attempts = 6;

    /// <summary>ssh itself enforces the limit up to the server's greeting; the login has as long again, plus the start of ssh.</summary>
    private const int LimitsInAll = 3;

    /// <summary>A busy builder is slow to begin a command. Only a login that runs another in its place says nothing for ever.</summary>
    private const int LimitsToBegin = 2;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);

    private readonly NixBuilder builder;
    private readonly TransportOptions options;
    private readonly SshErrors errors;
    private readonly SshArguments arguments;
    private readonly TimeSpan limit;
    private readonly object sync = new();
    private readonly List<IBuilderChannel> channels = [];
    private readonly CancellationTokenSource closing = new();
    private Task<SshMaster?>? sharing;
    private int hasToldOfSocket;
    private volatile bool isShared = true, usesSocket;

    /// <summary>Makes the transport; nothing is started yet.</summary>
    public SshProgramTransport(NixBuilder builder, SshConfig config, SshEnvironment environment, TransportOptions options)
    {
        this.builder = builder;
        this.options = options;
        limit = config.ConnectTimeoutOf(options);
        errors = new SshErrors(builder, config);
        arguments = new SshArguments(builder, config, environment, options, limit);
        // Whoever says which program or store it is to be does not mean the daemon's own.
        usesSocket = builder.RemoteProgram.Count == 0 && builder.RemoteStore is null;
    }

    /// <inheritdoc/>
    public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(closing.IsCancellationRequested, this);
        if (use != ChannelUse.Bulk && isShared && await OpenSharedAsync(use, cancellation) is { } shared) return shared;
        return await OpenOwnAsync(RemoteCommand.For(builder, use), Compresses(use), cancellation);
    }

    /// <inheritdoc/>
    public async Task<IBuilderChannel> OpenAsync(StoreProgram program, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(closing.IsCancellationRequested, this);
        return await OpenOwnAsync(RemoteCommand.For(program), compress: true, cancellation);
    }

    /// <inheritdoc/>
    public void LeaveDaemonSocket(string reason)
    {
        lock (sync)
        {
            if (!usesSocket) return;
            usesSocket = false;
        }
        Say($"runs nix-daemon for each channel: {reason}");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        List<IBuilderChannel> open;
        Task<SshMaster?>? shared;
        lock (sync) (open, shared) = ([.. channels], sharing);
        await Task.WhenAll(open.Select(c => c.DisposeAsync().AsTask()));
        if (shared is not null)
        {
            await ((Task)shared).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (shared is { IsCompletedSuccessfully: true, Result: { } master }) await master.DisposeAsync();
        }
        arguments.Dispose();
    }

    // A channel over the login that all share; null: there is none to be had.
    private async Task<IBuilderChannel?> OpenSharedAsync(ChannelUse use, CancellationToken cancellation)
    {
        try
        {
            return await MasterAsync(cancellation) is { } master ? await OpenOverAsync(master, use, cancellation) : null;
        }
        catch (MuxRefusedException e)
        {
            if (!e.IsByServer) ShareNoMore(e.Message);
            return null;
        }
        catch (BuilderException e) when (e.Failure == BuilderFailure.ConnectionLost)
        {
            // It broke while it was idle: nothing of this channel is lost, and another login tells whether the builder is.
            return null;
        }
    }

    private async Task<IBuilderChannel> OpenOverAsync(SshMaster master, ChannelUse use, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, closing.Token);
        using var watch = new SilenceWatch(limit, TimeProvider.System, stop.Token);
        try
        {
            return use is ChannelUse.Build or ChannelUse.PassedOnBuild && await OpenSocketAsync(master, watch.Token) is { } straight
                ? straight
                : Remember(await master.OpenCommandAsync(RemoteCommand.For(builder, use), Forget, watch.Token));
        }
        catch (OperationCanceledException) when (watch.HasRunOut && !stop.IsCancellationRequested)
        {
            throw errors.TimedOut(limit, "opening a channel");
        }
    }

    private async Task<IBuilderChannel?> OpenSocketAsync(SshMaster master, CancellationToken cancellation)
    {
        if (!usesSocket) return null;
        if (master.DaemonSocket is not { } path)
        {
            LeaveDaemonSocket("NIX_REMOTE, NIX_STATE_DIR or nix.conf of the login names another store");
            return null;
        }
        try
        {
            var channel = Remember(await master.OpenSocketAsync(path, Forget, cancellation));
            if (Interlocked.Exchange(ref hasToldOfSocket, 1) == 0) Say($"opens the socket of its daemon, {path}");
            return channel;
        }
        catch (MuxRefusedException e) when (e.IsByServer)
        {
            LeaveDaemonSocket($"its sshd does not open {path} ({e.Message})");
            return null;
        }
    }

    private void ShareNoMore(string reason)
    {
        lock (sync)
        {
            if (!isShared) return;
            isShared = false;
        }
        Say($"each channel logs in by itself: {reason}");
    }

    // One that has ended is replaced: its builder may be back.
    private Task<SshMaster?> MasterAsync(CancellationToken cancellation)
    {
        lock (sync)
        {
            if (sharing is null or { IsFaulted: true } or { IsCanceled: true } or { IsCompletedSuccessfully: true, Result.HasEnded: true })
            {
                sharing = StartMasterAsync();
            }
            return sharing.WaitAsync(cancellation);
        }
    }

    private async Task<SshMaster?> StartMasterAsync()
    {
        await Task.Yield(); // the caller holds the lock
        if (arguments.NextControlSocket() is not { } socket)
        {
            ShareNoMore("the path of the folder for temporary files is too long for a socket in it");
            return null;
        }
        var command = $"sh -c {RemoteCommand.Quote(SshMaster.Anchor)}";
        try
        {
            var master = await LogInAsync(
                arguments.ForMaster(command, socket, Compresses(ChannelUse.Build)),
                (ssh, inTime) => SshMaster.OfAsync(ssh, socket, errors, limit * LimitsToBegin, inTime),
                CancellationToken.None);
            if (master is null) ShareNoMore("the login runs a command of its own");
            return master;
        }
        catch (SshProcess.NoControlSocketException e)
        {
            ShareNoMore($"ssh can have no socket in the folder for temporary files ({e.Message})");
            return null;
        }
    }

    private async Task<IBuilderChannel> OpenOwnAsync(string commandLine, bool compress, CancellationToken cancellation) => await LogInAsync(
        arguments.For(commandLine, compress),
        (ssh, _) => Task.FromResult(Keep(new SshProgramChannel(ssh, commandLine, errors))),
        cancellation);

    private async Task<T> LogInAsync<T>(
        IReadOnlyList<string> words, Func<SshProcess, CancellationToken, Task<T>> use, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, closing.Token);
        using var turn = await LoginTurn.TakeAsync(stop.Token);
        using var watch = new SilenceWatch(limit * LimitsInAll, TimeProvider.System, stop.Token);
        try
        {
            var pause = FirstPause;
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    var ssh = await SshProcess.StartAsync(words, errors, watch.Token);
                    watch.Resume();
                    return await use(ssh, watch.Token);
                }
                catch (SshProcess.NoGreetingException e)
                {
                    // sshd drops connections while too many log in at a time (MaxStartups), and a busy one greets late.
                    if (attempt == Attempts) throw errors.ClosedEarly(e);
                    Say($"the server has not greeted ({e.Message}); trying again in {pause.TotalMilliseconds} ms");
                    await Task.Delay(pause, watch.Token);
                    pause *= 2;
                }
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested && !closing.IsCancellationRequested)
        {
            throw errors.TimedOut(limit * LimitsInAll, "connecting and logging in");
        }
    }

    private IBuilderChannel Keep(SshProgramChannel channel)
    {
        channel.Closed = () => Forget(channel);
        return Remember(channel);
    }

    private IBuilderChannel Remember(IBuilderChannel channel)
    {
        lock (sync) channels.Add(channel);
        return channel;
    }

    private void Forget(IBuilderChannel channel)
    {
        lock (sync) channels.Remove(channel);
    }

    private bool Compresses(ChannelUse use)
    {
        if (builder.Compress) return true;
        if (use != ChannelUse.Bulk || options.HasSlowLink?.Invoke(builder.Name) != true) return false;
        Say("its link is slow, so NARs are compressed");
        return true;
    }

    private void Say(string text) => options.Verbose?.Invoke($"{builder.Name}: {text}");
}
