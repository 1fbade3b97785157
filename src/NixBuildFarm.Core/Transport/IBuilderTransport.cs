using System.Security;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Transport;

/// <summary>Reaches one builder and opens byte streams to its Nix daemon. Safe for concurrent use.</summary>
public interface IBuilderTransport : IAsyncDisposable
{
    /// <summary>
    /// Opens a channel to a new daemon process (or socket connection) of the builder, or to the program for another use; connects first if
    /// necessary. Closing the channel ends that process, and with it any build that it runs.
    /// </summary>
    /// <exception cref="BuilderException">The builder cannot be reached or used; kind and recommendation say why.</exception>
    Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation);

    /// <summary>
    /// Opens a channel to a program in the builder's store, which has to be there. It speaks over the channel, compressed where the
    /// transport can, and ends when the channel is closed.
    /// </summary>
    /// <exception cref="BuilderException">The builder cannot be reached or used.</exception>
    /// <exception cref="NotSupportedException">This transport starts no programs.</exception>
    Task<IBuilderChannel> OpenAsync(StoreProgram program, CancellationToken cancellation) =>
        throw new NotSupportedException("This transport starts no programs.");

    /// <summary>From now on no channel leads straight to the socket of the builder's daemon: a program of the login can do more.</summary>
    /// <param name="reason">Why, for the user.</param>
    void LeaveDaemonSocket(string reason)
    {
    }
}

/// <summary>The use of a channel, which decides the connection that it shares.</summary>
public enum ChannelUse
{
    /// <summary>Questions and builds: several share one connection.</summary>
    Build,

    /// <summary>
    /// As <see cref="Build"/>, where the login's <c>nix-daemon</c> is a client of the daemon that builds, and would keep our settings to
    /// itself: it opens a connection anew for each request, and so passes on what it was told until then.
    /// </summary>
    PassedOnBuild,

    /// <summary>NARs: a connection of its own, so that a slow reader does not delay others.</summary>
    Bulk,

    /// <summary>
    /// The machine below Nix: no daemon, but the answer to <see cref="BuilderMachine.Question"/>, then the end of the stream.
    /// </summary>
    Machine,

    /// <summary>
    /// The machine below Nix: no daemon, but how long its builds took by the logs that it keeps of them, then the end of the stream.
    /// </summary>
    BuildTimes,

    /// <summary>
    /// The machine below Nix, as long as the channel is open: no daemon, but an answer to <see cref="MachineReading.Question"/> for each
    /// line that is sent.
    /// </summary>
    Live,

    /// <summary>
    /// <c>nix-store --serve</c> in place of the daemon: it tells a whole closure at once, which the daemon cannot. Not every builder has
    /// it.
    /// </summary>
    Closure,

    /// <summary>The slots of the machine: no daemon, but <see cref="SlotScript.Text"/>, which lives as long as the channel.</summary>
    Slots,

    /// <summary>A push from there to another store: no daemon, but <see cref="PushScript.Text"/>, which ends with the channel.</summary>
    Push,

    /// <summary>Who holds its slots: no daemon, but the answer to <see cref="SlotHolder.Question"/>, then the end of the stream.</summary>
    SlotHolders,

    /// <summary>The directory of a failed build: no daemon, but <see cref="KeptFolderScript.Text"/>.</summary>
    KeptFolder,
}

/// <summary>One duplex byte stream to a daemon.</summary>
public interface IBuilderChannel : IAsyncDisposable
{
    /// <summary>
    /// Reads the daemon's output and writes its input. A read returns 0 only at the true end of the stream; a broken connection throws
    /// <see cref="BuilderException"/> or <see cref="IOException"/>. One reader and one writer may run at the same time.
    /// </summary>
    Stream Stream { get; }

    /// <summary>The last lines that the remote program wrote to its standard error, terminal control removed; may be empty.</summary>
    string ErrorOutput { get; }

    /// <summary>
    /// Whether it leads straight to the socket of a remote builder's daemon, which sees who logs in; else a program of the login is
    /// between.
    /// </summary>
    bool IsDaemonSocket => false;
}

/// <summary>Makes the transport that fits a builder.</summary>
public interface IBuilderTransportFactory
{
    /// <summary>A transport for a builder; nothing is connected before the first channel is opened.</summary>
    IBuilderTransport Create(NixBuilder builder, TransportOptions options);
}

/// <summary>Limits and settings of the transports of one run.</summary>
public sealed record TransportOptions
{
    /// <summary>How long a builder may say nothing while it is connected and logged in to, where ssh_config does not say.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether <see cref="ConnectTimeout"/> holds although ssh_config says that it may take longer.</summary>
    public bool IsConnectTimeoutFirm { get; init; }

    /// <summary>A connection that stays silent for this long, although it was asked, is dead.</summary>
    public TimeSpan SilenceTimeout { get; init; } = TimeSpan.FromSeconds(25);

    /// <summary>The most Build channels that share a connection: sshd's MaxSessions is 10.</summary>
    public int ChannelsPerConnection { get; init; } = 9;

    /// <summary>The passphrase of encrypted key files; null: none is given, and the key agent must hold such keys.</summary>
    public SecureString? KeyPassphrase { get; init; }

    /// <summary>
    /// Whether a builder's link, by its name, was measured as slow enough for compression of NARs to pay. Asked for each new connection for
    /// NARs, from any thread; null: only the configuration counts.
    /// </summary>
    public Func<string, bool>? HasSlowLink { get; init; }

    /// <summary>
    /// Whether all work of the connections has ended. Asked when a transport is disposed of: only then may it leave idle connections to the
    /// next one. Null: it closes them.
    /// </summary>
    public Func<bool>? IsComplete { get; init; }

    /// <summary>Says which decisions were taken, for the Verbose stream; called from any thread.</summary>
    public Action<string>? Verbose { get; init; }
}
