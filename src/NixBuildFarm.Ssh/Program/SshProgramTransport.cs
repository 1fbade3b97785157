using NixBuildFarm.Builders;
using NixBuildFarm.Platform;
using NixBuildFarm.Ssh.Channels;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.Connection;
using NixBuildFarm.Ssh.HostKeys;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Program;

/// <summary>
/// Reaches a builder with the ssh program, for what SSH.NET cannot do: ProxyJump, ProxyCommand, keys in FIDO tokens and
/// the like. Every channel is an ssh process with a connection of its own. Host keys are verified as strictly.
/// </summary>
internal sealed class SshProgramTransport : IBuilderTransport
{
    // The name that the builder's own key has in our known_hosts file, whatever host it is.
    private const string PinnedAlias = "nixbuildfarm-builder";
    private const int Attempts = 6;

    /// <summary>ssh itself keeps to the limit for the way to the server's greeting; the login behind it has as long once more, and what a slow start of ssh takes.</summary>
    private const int LimitsInAll = 3;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);

    private readonly NixBuilder builder;
    private readonly SshConfig config;
    private readonly TransportOptions options;
    private readonly SshEnvironment environment;
    private readonly SshErrors errors;
    private readonly IReadOnlyList<string> ciphers;
    private readonly TimeSpan limit;
    private readonly object sync = new();
    private readonly List<SshProgramChannel> channels = [];
    private readonly CancellationTokenSource closing = new();
    private readonly Lazy<DirectoryInfo> folder = new(() => Directory.CreateTempSubdirectory("nixbuildfarm-"));

    /// <summary>Makes the transport; nothing is started yet.</summary>
    public SshProgramTransport(NixBuilder builder, SshConfig config, SshEnvironment environment, TransportOptions options)
    {
        this.builder = builder;
        this.config = config;
        this.options = options;
        this.environment = environment;
        limit = config.ConnectTimeoutOf(options);
        ciphers = [.. Algorithms.FastestFirst(config.Ciphers)];
        errors = new SshErrors(builder, config);
    }

    /// <inheritdoc/>
    public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(closing.IsCancellationRequested, this);
        return OpenAsync(RemoteCommand.For(builder, use), Compresses(use), cancellation);
    }

    /// <inheritdoc/>
    public Task<IBuilderChannel> OpenAsync(StoreProgram program, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(closing.IsCancellationRequested, this);
        return OpenAsync(RemoteCommand.For(program), compress: true, cancellation);
    }

    private async Task<IBuilderChannel> OpenAsync(string commandLine, bool compress, CancellationToken cancellation)
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
                    return Keep(await SshProgramChannel.OpenAsync(Arguments(commandLine, compress), commandLine, errors, watch.Token));
                }
                catch (SshProgramChannel.NoGreetingException e)
                {
                    // sshd drops connections while too many log in at a time (MaxStartups).
                    if (attempt == Attempts) throw errors.ClosedEarly(e);
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

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        List<SshProgramChannel> open;
        lock (sync) open = [.. channels];
        await Task.WhenAll(open.Select(c => c.DisposeAsync().AsTask()));
        lock (sync)
        {
            if (folder.IsValueCreated && folder.Value.Exists) folder.Value.Delete(recursive: true);
        }
    }

    private SshProgramChannel Keep(SshProgramChannel channel)
    {
        lock (sync) channels.Add(channel);
        channel.Closed = () =>
        {
            lock (sync) channels.Remove(channel);
        };
        return channel;
    }

    private bool Compresses(ChannelUse use)
    {
        if (builder.Compress) return true;
        if (use != ChannelUse.Bulk || options.HasSlowLink?.Invoke(builder.Name) != true) return false;
        options.Verbose?.Invoke($"{builder.Name}: its link is slow, so NARs are compressed");
        return true;
    }

    private List<string> Arguments(string commandLine, bool compress)
    {
        var alive = Math.Max(1, (int)(options.SilenceTimeout.TotalSeconds / 3));
        List<string> arguments =
        [
            "-T", "-x", "-a",
            "-oBatchMode=yes",
            "-oStrictHostKeyChecking=yes",
            "-oUpdateHostKeys=no",
            "-oClearAllForwardings=yes",
            "-oControlPath=none",
            "-oLogLevel=ERROR",
            $"-oConnectTimeout={Math.Max(1, (int)limit.TotalSeconds)}",
            $"-oServerAliveInterval={alive}",
            "-oServerAliveCountMax=2",
            "-oPermitLocalCommand=yes",
            $"-oLocalCommand=echo {SshProgramChannel.ConnectedMark}",
        ];
        if (HostKeyVerifier.PinnedKey(builder) is not null)
        {
            arguments.AddRange(
            [
                $"-oHostKeyAlias={PinnedAlias}",
                $"-oUserKnownHostsFile={QuoteForConfig(PinnedKeyFile())}",
                "-oGlobalKnownHostsFile=/dev/null",
                "-oKnownHostsCommand=none",
            ]);
        }
        if (builder.IdentityFile is { } identity) arguments.AddRange(["-i", identity]);
        if (compress) arguments.Add("-C");
        if (ciphers.Count > 0) arguments.Add($"-oCiphers={string.Join(',', ciphers)}");
        return [.. SshConfigReader.Arguments(builder, arguments, environment), commandLine];
    }

    private string PinnedKeyFile()
    {
        lock (sync)
        {
            var file = Path.Combine(folder.Value.FullName, "known_hosts");
            if (File.Exists(file)) return file;
            var mode = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) mode.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using var writer = new StreamWriter(file, mode);
            writer.Write($"{PinnedAlias} {builder.HostKey!.Trim()}\n");
            // A key that is revoked is refused, whoever names it.
            var known = KnownHostsFiles.Read(config, sourceFiles: null, options.Verbose ?? (_ => { }));
            foreach (var revoked in known.RevokedKeys(HostKeyVerifier.NameOf(config)))
            {
                writer.Write($"@revoked {PinnedAlias} {revoked.Type} {Convert.ToBase64String(revoked.Bytes)}\n");
            }
            return file;
        }
    }

    // ssh_config(5): words with blanks stand in quotes, and % begins a token.
    private static string QuoteForConfig(string path) => '"' + path.Replace("%", "%%", StringComparison.Ordinal) + '"';
}
