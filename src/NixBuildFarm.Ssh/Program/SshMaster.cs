using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Ssh.Channels;
using NixBuildFarm.Ssh.Multiplexing;

namespace NixBuildFarm.Ssh.Program;

/// <summary>
/// An ssh process that serves many channels over one login. It lives as long as a command on the builder that reads its input: so it ends
/// with this process, however that ends.
/// </summary>
internal sealed class SshMaster : IAsyncDisposable
{
    /// <summary>
    /// The command. Its first words show that the login runs what it is asked to; then it tells where the login's own Nix looks for a
    /// daemon: three variables, and how many settings name a store. [Nix's manual, “Configuration file”: these files, what they include,
    /// and <c>NIX_CONFIG</c>]
    /// </summary>
    public const string Anchor =
        $$"""printf '%s\n' '{{Mark}}' "${NIX_DAEMON_SOCKET_PATH-}" "${NIX_REMOTE-}" "${NIX_STATE_DIR-}"; """
        + """conf() { cat "$1"; sed -n 's/^[[:blank:]]*[^#]\{0,1\}include[[:blank:]]\{1,\}//p' "$1" | while read -r more; """
        + """do case $more in /*) cat "$more";; *) cat "${1%/*}/$more";; esac; done; }; """
        + """{ printf '%s\n' "${NIX_CONFIG-}"; conf "${NIX_CONF_DIR:-/etc/nix}/nix.conf"; IFS=:; """
        + """if [ "${NIX_USER_CONF_FILES+x}" ]; then for file in $NIX_USER_CONF_FILES; do conf "$file"; done; """
        + """else for folder in ${XDG_CONFIG_HOME:-$HOME/.config} ${XDG_CONFIG_DIRS:-/etc/xdg}; """
        + """do conf "$folder/nix/nix.conf"; done; fi; """
        + """} 2> /dev/null | grep -c '^[[:blank:]]*store[[:blank:]]*='; exec cat > /dev/null""";

    private const string Mark = "nixbuildfarm-anchor";
    private const string DefaultSocket = "/nix/var/nix/daemon-socket/socket";
    private const string Unix = "unix://";
    private const int LongestPreamble = 100;

    private readonly SshProcess ssh;
    private readonly string controlSocket;
    private readonly SshErrors errors;
    private readonly SessionLimit sessions = new();

    private SshMaster(SshProcess ssh, string controlSocket, SshErrors errors)
    {
        this.ssh = ssh;
        this.controlSocket = controlSocket;
        this.errors = errors;
    }

    /// <summary>Whether it opens no channels any more.</summary>
    public bool HasEnded => ssh.HasEnded;

    /// <summary>The socket of the daemon that the login's own Nix would use; null: it uses another store.</summary>
    public string? DaemonSocket { get; private set; }

    /// <summary>Takes over an ssh process that has logged in.</summary>
    /// <param name="ssh">Listens to a control socket, and runs <see cref="Anchor"/>.</param>
    /// <param name="controlSocket">The path of the control socket.</param>
    /// <param name="errors">The errors of the builder.</param>
    /// <param name="patience">How long the command may say nothing.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>Null: the login runs a command of its own in place of ours. The process is ended then.</returns>
    /// <exception cref="BuilderException">The connection is lost.</exception>
    public static async Task<SshMaster?> OfAsync(
        SshProcess ssh, string controlSocket, SshErrors errors, TimeSpan patience, CancellationToken cancellation)
    {
        var master = new SshMaster(ssh, controlSocket, errors);
        using var watch = new SilenceWatch(patience, TimeProvider.System, cancellation);
        try
        {
            if (await master.HearAsync(watch.Token)) return master;
        }
        catch (OperationCanceledException) when (watch.HasRunOut && !cancellation.IsCancellationRequested)
        {
            // Whatever it runs, it is not ours.
        }
        catch
        {
            await master.DisposeAsync();
            throw;
        }
        await master.DisposeAsync();
        return null;
    }

    /// <summary>Opens a channel to a command.</summary>
    /// <param name="commandLine">The command.</param>
    /// <param name="closed">Called when the channel has been closed.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="MuxRefusedException">There is none to be had.</exception>
    /// <exception cref="BuilderException">The connection is lost.</exception>
    public async Task<MuxChannel> OpenCommandAsync(string commandLine, Action<MuxChannel> closed, CancellationToken cancellation)
    {
        if (!sessions.TryBegin(out var count)) throw new MuxRefusedException("the server opens no more", MuxRefusal.OfChannel);
        try
        {
            var channel = await MuxChannel.OpenAsync(controlSocket, Peer() with { Command = commandLine }, cancellation);
            sessions.Open();
            channel.Closed = () =>
            {
                sessions.Close();
                closed(channel);
            };
            return channel;
        }
        catch (Exception e)
        {
            if (e is MuxRefusedException { Refusal: MuxRefusal.OfChannel }) sessions.Refuse(count);
            else sessions.GiveUp();
            throw;
        }
    }

    /// <summary>Opens a channel to a socket of the builder.</summary>
    /// <param name="path">The socket.</param>
    /// <param name="closed">Called when the channel has been closed.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="MuxRefusedException">There is none to be had.</exception>
    /// <exception cref="BuilderException">The connection is lost.</exception>
    public async Task<MuxChannel> OpenSocketAsync(string path, Action<MuxChannel> closed, CancellationToken cancellation)
    {
        var channel = await MuxChannel.OpenAsync(controlSocket, Peer() with { SocketPath = path }, cancellation);
        channel.Closed = () => closed(channel);
        return channel;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ssh.DisposeAsync();

    /// <summary>Where the daemon listens, by the variables of the login that say so; null: its Nix may use another store.</summary>
    /// <param name="socketPath"><c>NIX_DAEMON_SOCKET_PATH</c>.</param>
    /// <param name="remote"><c>NIX_REMOTE</c>.</param>
    internal static string? SocketOf(string socketPath, string remote) =>
        remote.StartsWith(Unix, StringComparison.Ordinal) ? (remote.Contains('?', StringComparison.Ordinal) ? null : remote[Unix.Length..])
        : remote is not ("" or "auto" or "daemon") ? null
        : socketPath.Length > 0 ? socketPath
        : DefaultSocket;

    private MuxPeer Peer() => new() { Errors = errors, LastWords = () => ssh.ErrorOutput };

    // A Nix in place of the command takes the line for a bad greeting, and ends; the command does not mind.
    private async Task<bool> HearAsync(CancellationToken cancellation)
    {
        try
        {
            await ssh.Input.WriteAsync("nixbuildfarm asks for a shell\n"u8.ToArray(), cancellation);
            await ssh.Input.FlushAsync(cancellation);
        }
        catch (IOException)
        {
            return await EndsAsync(cancellation);
        }
        using var reader = new StreamReader(ssh.Output, leaveOpen: true);
        for (var line = 0; line < LongestPreamble; line++)
        {
            if (await reader.ReadLineAsync(cancellation) is not { } text) return await EndsAsync(cancellation);
            if (text != Mark) continue;
            var told = new string[4];
            for (var i = 0; i < told.Length; i++)
            {
                if (await reader.ReadLineAsync(cancellation) is not { } value) return await EndsAsync(cancellation);
                told[i] = value;
            }
            if (told is [var socketPath, var remote, "", "0"]) DaemonSocket = SocketOf(socketPath, remote);
            return true;
        }
        return false;
    }

    // Whatever the login runs has ended, or ssh has.
    private async Task<bool> EndsAsync(CancellationToken cancellation) =>
        await ssh.EndAsync(cancellation) == SshProcess.ErrorOfSshItself ? throw Peer().Lost() : false;
}
