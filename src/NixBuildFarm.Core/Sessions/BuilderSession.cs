using System.Collections.Immutable;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>
/// One builder during a run: its transport, a control channel that lives as long as the session, and a pool of warm connections for builds
/// and for NARs.
/// </summary>
internal sealed class BuilderSession : IAsyncDisposable
{
    /// <summary>
    /// How long a daemon may be silent while it works, i.e. fetches or registers paths. Nix allows its own downloads as much
    /// (<c>stalled-download-timeout</c>).
    /// </summary>
    public static readonly TimeSpan WorkLimit = TimeSpan.FromMinutes(5);

    private const long FewBytes = 1 << 20;

    private readonly ControlChannel control;
    private readonly SessionPool pool;
    private readonly ClosureHints hints;
    private readonly TimeProvider time;

    private BuilderSession(
        NixBuilder builder, DaemonOptions options, BuilderFacts facts, ControlChannel control, SessionPool pool, ClosureHints hints,
        SlotLocks slots, TimeProvider time)
    {
        Builder = builder.WithMachine(facts.Machine);
        Slots = slots;
        Options = options;
        Facts = facts;
        this.control = control;
        this.pool = pool;
        this.hints = hints;
        this.time = time;
    }

    /// <summary>The builder, with the cores of its machine where it tells.</summary>
    public NixBuilder Builder { get; }

    /// <summary>The slots that builds of this session take there.</summary>
    public SlotLocks Slots { get; }

    /// <summary>The settings of each new connection.</summary>
    public DaemonOptions Options { get; }

    /// <summary>Whether the builder may fetch inputs from its own substituters.</summary>
    public bool UsesSubstitutes => Options.UseSubstitutes;

    /// <inheritdoc cref="ControlChannel.AnswerLimit"/>
    public TimeSpan AnswerLimit => control.AnswerLimit;

    /// <summary>How long a builder may send nothing of a NAR. For the local store: its disk may be busy with copies back.</summary>
    public TimeSpan GivingLimit => Builder.IsLocal ? WorkLimit : TimeSpan.FromMinutes(1);

    /// <summary>Whether it is closed, as that of a lost builder is.</summary>
    public bool IsClosed => pool.IsClosed;

    /// <inheritdoc cref="ControlChannel.IsGivenUp"/>
    public bool IsGivenUp => control.IsGivenUp;

    /// <summary>The builder's answers about itself.</summary>
    public BuilderFacts Facts { get; }

    /// <summary>Connects, and asks whether the builder trusts us and which system it has.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="transport">Reaches it. It stays open when the session closes.</param>
    /// <param name="options">The settings of each connection.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="forNars">Whether many NARs are to follow: their connection is then opened at the same time.</param>
    /// <param name="limit">How long it may be silent at the first question; null: as long as at any other.</param>
    /// <param name="time">The clock; null: the machine's.</param>
    /// <exception cref="BuilderException">It cannot be reached or used.</exception>
    public static async Task<BuilderSession> OpenAsync(
        NixBuilder builder,
        IBuilderTransport transport,
        DaemonOptions options,
        CancellationToken cancellation,
        bool forNars = false,
        TimeSpan? limit = null,
        TimeProvider? time = null)
    {
        time ??= TimeProvider.System;
        using var calledOff = new CancellationTokenSource();
        // Both at once: a distant builder answers them in the time of one.
        var machine = MachineQuestion.AskAsync(transport, calledOff.Token);
        var warm = new SessionPool(builder, transport, options);
        if (forNars) warm.Open(ChannelUse.Bulk);
        SessionConnection? first = null;
        try
        {
            first = await SessionConnection.OpenAsync(builder, transport, ChannelUse.Build, options, cancellation, limit);
            var facts = await ControlChannel.ProbeAsync(builder, first.Daemon, limit, time, cancellation);
            using var watch = new SilenceWatch(MachineQuestion.Patience, time, cancellation);
            using (watch.Token.Register(calledOff.Cancel)) facts = facts with { Machine = await machine.WaitAsync(cancellation) };
            // The daemon trusts root where it is told to; a program that root starts there is trusted always.
            if (first.IsDaemonSocket && !facts.Trusted && facts.Machine.IsRoot != false)
            {
                transport.LeaveDaemonSocket("the daemon does not trust the login at its socket");
                await first.DisposeAsync();
                first = await SessionConnection.OpenAsync(builder, transport, ChannelUse.Build, options, cancellation, limit);
                var ofProgram = await ControlChannel.ProbeAsync(builder, first.Daemon, limit, time, cancellation);
                facts = ofProgram with { Machine = facts.Machine };
            }
            return new(
                builder, options, facts, new(builder, first, time), warm, new(builder, transport), new(builder, transport, time), time);
        }
        catch
        {
            await calledOff.CancelAsync();
            var closing = warm.DisposeAsync();
            await ((Task)machine).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (first is not null) await first.DisposeAsync();
            await closing;
            throw;
        }
    }

    /// <summary>Asks a small question over the control channel: <see cref="ControlChannel.AskAsync{T}"/>.</summary>
    /// <exception cref="BuilderException">The builder is lost.</exception>
    public Task<T> AskAsync<T>(Func<DaemonConnection, CancellationToken, Task<T>> question, CancellationToken cancellation) =>
        control.AskAsync(question, cancellation);

    /// <summary>The same for a question without an answer.</summary>
    public Task AskAsync(Func<DaemonConnection, CancellationToken, Task> request, CancellationToken cancellation) => control.AskAsync(
        async (daemon, token) =>
        {
            await request(daemon, token);
            return true;
        },
        cancellation);

    /// <inheritdoc cref="ControlChannel.ProtectAsync"/>
    public Task ProtectAsync(IEnumerable<StorePath> paths, CancellationToken cancellation) => control.ProtectAsync(paths, cancellation);

    /// <inheritdoc cref="ControlChannel.AnswersAsync"/>
    public async Task<bool> AnswersAsync(CancellationToken cancellation) => !pool.IsClosed && await control.AnswersAsync(cancellation);

    /// <inheritdoc cref="ControlChannel.PingAsync(CancellationToken)"/>
    public Task PingAsync(CancellationToken cancellation) => control.PingAsync(cancellation);

    /// <inheritdoc cref="ControlChannel.GiveUp"/>
    public BuilderException GiveUp(string what) => control.GiveUp(what);

    /// <inheritdoc cref="SessionPool.Reserve"/>
    public Reservation Reserve(ChannelUse use, CancellationToken cancellation) =>
        pool.Reserve(use == ChannelUse.Build && PassesOn ? ChannelUse.PassedOnBuild : use, cancellation);

    // Where the store is given, so is its way.
    private bool PassesOn => Facts.KeepsSettings && !Builder.IsLocal && Builder.RemoteStore is null;

    /// <inheritdoc cref="SessionPool.OpenAsync(StoreProgram, CancellationToken)"/>
    public Task<IBuilderChannel> OpenAsync(StoreProgram program, CancellationToken cancellation) => pool.OpenAsync(program, cancellation);

    /// <inheritdoc cref="SessionPool.OpenLiveAsync"/>
    public Task<LiveChannel> OpenLiveAsync(CancellationToken cancellation) => pool.OpenLiveAsync(time, cancellation);

    /// <inheritdoc cref="SessionPool.OpenFolderAsync"/>
    public Task<IBuilderChannel> OpenFolderAsync(CancellationToken cancellation) => pool.OpenFolderAsync(cancellation);

    /// <inheritdoc cref="BuildTimesQuestion.AskAsync"/>
    public Task<IReadOnlyList<BuildTime>?> AskBuildTimesAsync(CancellationToken calledOff) => pool.AskBuildTimesAsync(time, calledOff);

    /// <inheritdoc cref="PushChannel.PushAsync"/>
    public Task PushAsync(string store, IEnumerable<StorePath> paths, CancellationToken cancellation) =>
        pool.PushAsync(store, paths, time, cancellation);

    /// <summary>Uses a connection exclusively.</summary>
    public async Task<T> UseAsync<T>(ChannelUse use, Func<DaemonConnection, Task<T>> work, CancellationToken cancellation)
    {
        await using var reserved = Reserve(use, cancellation);
        return await reserved.UseAsync(work);
    }

    /// <summary>The same for a use without a result.</summary>
    public Task UseAsync(ChannelUse use, Func<DaemonConnection, Task> work, CancellationToken cancellation) => UseAsync(
        use,
        async daemon =>
        {
            await work(daemon);
            return true;
        },
        cancellation);

    /// <summary>
    /// The same for a question that may be work for the daemon, such as fetching something first: others do not wait for its answer.
    /// </summary>
    /// <exception cref="BuilderException">The builder is lost, also where it says nothing for too long.</exception>
    public Task<T> AskBesideAsync<T>(Func<DaemonConnection, CancellationToken, Task<T>> question, CancellationToken cancellation) =>
        UseAsync(
        ChannelUse.Build,
        daemon => DaemonQuestion.AskAsync(daemon, WorkLimit, time, token => question(daemon, token), GiveUp, cancellation),
        cancellation);

    /// <summary>
    /// Sends or fetches NARs over an exclusive connection. A few small ones use a connection for builds, of which some are usually open:
    /// another login would take longer than the transfer.
    /// </summary>
    /// <param name="bytes">The size of all of them.</param>
    /// <param name="work">Does it.</param>
    /// <param name="cancellation">Gives up.</param>
    public Task UseForNarsAsync(long bytes, Func<DaemonConnection, Task> work, CancellationToken cancellation) =>
        UseAsync(bytes <= FewBytes ? ChannelUse.Build : ChannelUse.Bulk, work, cancellation);

    /// <inheritdoc cref="ClosureHints.GuessAsync"/>
    public async Task<IReadOnlySet<StorePath>> GuessClosureAsync(IReadOnlyCollection<StorePath> roots, CancellationToken cancellation) =>
        pool.IsClosed ? ImmutableHashSet<StorePath>.Empty : await hints.GuessAsync(roots, cancellation);

    /// <summary>Closes every connection, and so ends every build that still runs here.</summary>
    public async ValueTask DisposeAsync() =>
        await Task.WhenAll(pool.DisposeAsync().AsTask(), control.DisposeAsync().AsTask(), Slots.DisposeAsync().AsTask());

    /// <summary>The builder's name.</summary>
    public override string ToString() => Builder.Name;
}
