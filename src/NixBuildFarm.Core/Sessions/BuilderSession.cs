using System.Collections.Concurrent;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>
/// One builder during a run: its transport, a control connection that lives as long as the session and holds the temp
/// roots, and a pool of warm connections for builds and for NARs.
/// </summary>
internal sealed class BuilderSession : IAsyncDisposable
{
    /// <summary>
    /// How long a daemon may say nothing when it has work to do: it fetches something, or registers what it got. Nix gives its own downloads
    /// as long (<c>stalled-download-timeout</c>).
    /// </summary>
    public static readonly TimeSpan WorkLimit = TimeSpan.FromMinutes(5);

    private const long FewBytes = 1 << 20;

    private static readonly TimeSpan RemoteAnswerLimit = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ClosurePatience = TimeSpan.FromSeconds(10);

    private readonly IBuilderTransport transport;
    // No bags: what a bag holds is held by the threads that put it there, and so would outlive the session together with it.
    private readonly ConcurrentDictionary<ChannelUse, ConcurrentStack<Task<Connection>>> idle = new();
    private readonly SemaphoreSlim controlTurn = new(1, 1);
    private readonly Connection control;
    private readonly CancellationTokenSource closing;
    private readonly object rootGate = new();
    private readonly TimeProvider time;
    private RootRequest? nextRoots;
    private Task leaving = Task.CompletedTask;
    private volatile bool isClosed;
    private volatile BuilderException? givenUp;
    private volatile bool tellsNoClosures;

    private BuilderSession(NixBuilder builder, IBuilderTransport transport, DaemonOptions options, Connection control, BuilderFacts facts, Task<Connection>? bulk, CancellationTokenSource closing, TimeProvider time)
    {
        this.time = time;
        this.closing = closing;
        if (bulk is not null) idle[ChannelUse.Bulk] = new([bulk]);
        Builder = builder.On(facts.Machine);
        this.transport = transport;
        Options = options;
        this.control = control;
        Facts = facts;
    }

    /// <summary>The builder, with the cores of its machine where it tells.</summary>
    public NixBuilder Builder { get; }

    /// <summary>The settings of each new connection.</summary>
    public DaemonOptions Options { get; }

    /// <summary>Whether the builder may fetch inputs from its own substituters.</summary>
    public bool UsesSubstitutes => Options.UseSubstitutes;

    /// <summary>
    /// How long a builder may say nothing about a small question. The local daemon may have to wait for its garbage collector; without it
    /// there is no going on, so it has longer.
    /// </summary>
    public TimeSpan AnswerLimit => Builder.IsLocal ? TimeSpan.FromMinutes(10) : RemoteAnswerLimit;

    /// <summary>How long a builder may send nothing of a NAR. The local disk may be busy with what comes home.</summary>
    public TimeSpan GivingLimit => Builder.IsLocal ? WorkLimit : TimeSpan.FromMinutes(1);

    /// <summary>Whether the builder has failed although its connections live.</summary>
    public bool IsGivenUp => givenUp is not null;

    /// <summary>What the builder said of itself.</summary>
    public BuilderFacts Facts { get; }

    /// <summary>Connects, and asks whether the builder trusts us and what machine it is.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="transport">Reaches it.</param>
    /// <param name="options">The settings of each connection.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="forNars">Whether many NARs are to follow: their connection is then opened at the same time.</param>
    /// <param name="limit">How long it may say nothing when it is asked what it is; null: as long as to any question.</param>
    /// <param name="time">The clock; null: the machine's.</param>
    /// <exception cref="BuilderException">It cannot be reached or used.</exception>
    public static async Task<BuilderSession> OpenAsync(
        NixBuilder builder, IBuilderTransport transport, DaemonOptions options, CancellationToken cancellation, bool forNars = false, TimeSpan? limit = null, TimeProvider? time = null)
    {
        time ??= TimeProvider.System;
        var untilClosed = new CancellationTokenSource();
        using var patience = new CancellationTokenSource();
        // Both at once: a distant builder answers them in the time of one.
        var machine = MachineQuestion.AskAsync(transport, patience.Token);
        var bulk = forNars ? Connection.OpenAsync(builder, transport, ChannelUse.Bulk, options, untilClosed.Token) : null;
        Connection? first = null;
        try
        {
            first = await Connection.OpenAsync(builder, transport, ChannelUse.Build, options, cancellation, limit);
            var daemon = first.Daemon;
            var facts = await WatchAsync(daemon, limit ?? (builder.IsLocal ? WorkLimit : RemoteAnswerLimit), time, token => BuilderProbe.AskAsync(daemon, token), what => Silent(builder.Name, what), cancellation);
            patience.CancelAfter(MachineQuestion.Patience);
            return new(builder, transport, options, first, facts with { Machine = await machine.WaitAsync(cancellation) }, bulk, untilClosed, time);
        }
        catch
        {
            await patience.CancelAsync();
            await untilClosed.CancelAsync();
            await ((Task)machine).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (first is not null) await first.DisposeAsync();
            if (bulk is not null) await CloseAsync(bulk);
            throw;
        }
    }

    /// <summary>
    /// Asks something over the control connection, one question at a time. Who calls a question off does not wait for the answer any more; the
    /// question is left to its end, since the connection holds the roots of others. A builder that leaves it unanswered is lost.
    /// </summary>
    /// <exception cref="BuilderException">The builder is lost.</exception>
    public async Task<T> AskAsync<T>(Func<DaemonConnection, CancellationToken, Task<T>> question, CancellationToken cancellation)
    {
        await controlTurn.WaitAsync(cancellation);
        return await AskInTurnAsync().WaitAsync(cancellation);

        async Task<T> AskInTurnAsync()
        {
            try
            {
                if (givenUp is { } reason) throw reason;
                return await WatchAsync(control.Daemon, AnswerLimit, time, token => question(control.Daemon, token), GiveUp, CancellationToken.None);
            }
            finally
            {
                controlTurn.Release();
            }
        }
    }

    /// <summary>The same for what has no answer.</summary>
    public Task AskAsync(Func<DaemonConnection, CancellationToken, Task> request, CancellationToken cancellation) => AskAsync(
        async (daemon, token) =>
        {
            await request(daemon, token);
            return true;
        },
        cancellation);

    /// <summary>
    /// Protects paths, valid or not, from the builder's garbage collector for as long as the session lives. What is asked for while an
    /// earlier request is under way goes together, so that many builds at a time do not wait for a round trip each.
    /// </summary>
    public Task ProtectAsync(IEnumerable<StorePath> paths, CancellationToken cancellation)
    {
        lock (rootGate)
        {
            nextRoots ??= new(ProtectNextAsync());
            nextRoots.Paths.AddRange(paths);
            return nextRoots.Ended.WaitAsync(cancellation);
        }
    }

    private async Task ProtectNextAsync()
    {
        await Task.Yield(); // the caller holds the gate
        await AskAsync(
            (daemon, token) =>
            {
                RootRequest request;
                lock (rootGate) (request, nextRoots) = (nextRoots!, null);
                return daemon.AddTempRootsAsync(request.Paths, token);
            },
            CancellationToken.None);
    }

    /// <summary>
    /// Does something over a connection that is nobody else's meanwhile. A connection that comes back whole is kept warm;
    /// a cancelled or broken one is closed, which ends what the daemon does for it.
    /// </summary>
    public async Task<T> UseAsync<T>(ChannelUse use, Func<DaemonConnection, Task<T>> work, CancellationToken cancellation)
    {
        await using var reserved = Reserve(use, cancellation);
        return await reserved.UseAsync(work);
    }

    /// <summary>The same for a question that may be work for the daemon, such as fetching something first: others do not wait for its answer.</summary>
    /// <exception cref="BuilderException">The builder is lost, also where it says nothing for too long.</exception>
    public Task<T> AskBesideAsync<T>(Func<DaemonConnection, CancellationToken, Task<T>> question, CancellationToken cancellation) =>
        UseAsync(ChannelUse.Build, daemon => WatchAsync(daemon, WorkLimit, time, token => question(daemon, token), GiveUp, cancellation), cancellation);

    /// <summary>The same for what has no result.</summary>
    public Task UseAsync(ChannelUse use, Func<DaemonConnection, Task> work, CancellationToken cancellation) => UseAsync(use, Answerless(work), cancellation);

    /// <summary>Sets a connection aside for later use. Where none is idle, one is opened while its user still does something else.</summary>
    public Reservation Reserve(ChannelUse use, CancellationToken cancellation)
    {
        if (isClosed) throw Gone();
        var pool = idle.GetOrAdd(use, static _ => new());
        return new(this, pool, pool.TryPop(out var connection) ? connection : OpenAsync(use, cancellation));
    }

    /// <summary>
    /// Sends or fetches NARs over a connection that is nobody else's meanwhile. A few small ones go over a connection for builds, of which some
    /// are warm as a rule: logging in once more for them would take longer than they do.
    /// </summary>
    /// <param name="bytes">The size of all of them.</param>
    /// <param name="work">Does it.</param>
    /// <param name="cancellation">Gives up.</param>
    public Task UseForNarsAsync(long bytes, Func<DaemonConnection, Task> work, CancellationToken cancellation) =>
        UseAsync(bytes <= FewBytes ? ChannelUse.Build : ChannelUse.Bulk, work, cancellation);

    private static Func<DaemonConnection, Task<bool>> Answerless(Func<DaemonConnection, Task> work) => async daemon =>
    {
        await work(daemon);
        return true;
    };

    /// <summary>
    /// What a builder says that valid paths refer to, directly or not, in one round trip however deep that is. A hint: it is empty where the
    /// builder cannot tell, e.g. since its login may run nothing but the daemon, and nobody has checked it.
    /// </summary>
    public async Task<IReadOnlySet<StorePath>> GuessClosureAsync(IReadOnlyCollection<StorePath> roots, CancellationToken cancellation)
    {
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limited.CancelAfter(ClosurePatience);
        if (isClosed || tellsNoClosures || Builder.IsLocal) return new HashSet<StorePath>();
        try
        {
            await using var channel = await transport.OpenAsync(ChannelUse.Closure, limited.Token);
            return await ClosureQuestion.AskAsync(channel.Stream, roots, limited.Token).WaitAsync(limited.Token);
        }
        catch (Exception e) when (e is BuilderException or IOException or WireException or ObjectDisposedException
            || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            tellsNoClosures = true;
            return new HashSet<StorePath>();
        }
    }

    /// <summary>Whether the builder answers a small question soon. One that is busy with another of ours is not disturbed, and counts as well.</summary>
    public async Task<bool> AnswersAsync(CancellationToken cancellation)
    {
        if (isClosed || givenUp is not null) return false;
        if (!await controlTurn.WaitAsync(Patience, cancellation)) return true;
        using var watch = new SilenceWatch(Patience, time, cancellation);
        try
        {
            await control.Daemon.QueryValidPathsAsync([], substitute: false, watch.Token);
            return true;
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            if (watch.HasRunOut) GiveUp($"has left a question unanswered for {Patience.TotalSeconds:0.#} s");
            return false;
        }
        finally
        {
            controlTurn.Release();
        }
    }

    /// <summary>Asks a small question, and waits for the answer in patience.</summary>
    /// <exception cref="BuilderException">There is none: the builder is lost.</exception>
    public Task PingAsync(CancellationToken cancellation) => AskAsync((daemon, token) => daemon.QueryValidPathsAsync([], substitute: false, token), cancellation);

    /// <summary>The builder has failed although its connections live: from now on it counts as one that does not answer.</summary>
    /// <param name="what">What it did not do.</param>
    public BuilderException GiveUp(string what)
    {
        var reason = Silent(Builder.Name, what);
        return Interlocked.CompareExchange(ref givenUp, reason, null) ?? reason;
    }

    /// <summary>Waits for a daemon as long as something passes between us.</summary>
    private static async Task<T> WatchAsync<T>(
        DaemonConnection daemon, TimeSpan limit, TimeProvider time, Func<CancellationToken, Task<T>> question, Func<string, BuilderException> silent, CancellationToken cancellation)
    {
        var passed = daemon.Passed;
        using var watch = new SilenceWatch(limit, time, cancellation, () => passed != (passed = daemon.Passed));
        try
        {
            return await question(watch.Token);
        }
        catch (OperationCanceledException) when (watch.HasRunOut && !cancellation.IsCancellationRequested)
        {
            throw silent($"has left a question unanswered for {limit.TotalSeconds:0.#} s");
        }
    }

    private static BuilderException Silent(string builder, string what) => new(
        builder, BuilderFailure.ConnectionLost, $"{builder} {what}, although its connection lives.", $"See what its nix-daemon does, and whether the disk of {builder} answers.");

    /// <summary>Closes every connection, and so ends every build that still runs here. The transport stays open: it is not ours.</summary>
    public async ValueTask DisposeAsync()
    {
        isClosed = true;
        await closing.CancelAsync();
        await Task.WhenAll(idle.Values.SelectMany(pool => pool).Select(CloseAsync).Append(control.DisposeAsync().AsTask()));
        await leaving;
    }

    /// <summary>Closes a connection; whoever used it does not wait for a peer that may not listen.</summary>
    private void Leave(Connection connection)
    {
        lock (rootGate) leaving = Task.WhenAll(leaving, connection.DisposeAsync().AsTask());
    }

    private static async Task CloseAsync(Task<Connection> opening)
    {
        await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (opening.IsCompletedSuccessfully) await opening.Result.DisposeAsync();
    }

    private async Task<Connection> OpenAsync(ChannelUse use, CancellationToken cancellation)
    {
        try
        {
            return await Connection.OpenAsync(Builder, transport, use, Options, cancellation);
        }
        catch (ObjectDisposedException) when (isClosed)
        {
            throw Gone();
        }
    }

    private BuilderException Gone() => new(Builder.Name, BuilderFailure.ConnectionLost, $"{Builder.Name} was lost before.");

    /// <summary>The builder's name.</summary>
    public override string ToString() => Builder.Name;

    /// <summary>Paths that are to be protected by the next request, and when they are.</summary>
    private sealed class RootRequest(Task ended)
    {
        public Task Ended { get; } = ended;

        public List<StorePath> Paths { get; } = [];
    }

    /// <summary>A connection that is nobody else's until this is disposed of.</summary>
    public sealed class Reservation : IAsyncDisposable
    {
        private readonly BuilderSession session;
        private readonly ConcurrentStack<Task<Connection>> pool;
        private readonly Task<Connection> opening;

        internal Reservation(BuilderSession session, ConcurrentStack<Task<Connection>> pool, Task<Connection> opening)
        {
            this.session = session;
            this.pool = pool;
            this.opening = opening;
        }

        /// <summary>Does something over the connection.</summary>
        /// <exception cref="BuilderException">The connection could not be opened.</exception>
        public async Task<T> UseAsync<T>(Func<DaemonConnection, Task<T>> work) => await work((await opening).Daemon);

        /// <summary>Gives it back, as soon as it is open.</summary>
        public async ValueTask DisposeAsync()
        {
            var givingBack = GiveBackAsync();
            if (opening.IsCompleted) await givingBack;
        }

        private async Task GiveBackAsync()
        {
            await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!opening.IsCompletedSuccessfully) return;
            if (session.isClosed || opening.Result.Daemon.IsBroken) session.Leave(opening.Result);
            else pool.Push(opening);
        }
    }

    /// <summary>A daemon connection and the channel below it.</summary>
    internal sealed class Connection : IAsyncDisposable
    {
        /// <summary>More hardly helps: a socket of Nix's daemon holds 208 KiB.</summary>
        private const int BulkBufferSize = 256 << 10;

        private readonly IBuilderChannel channel;

        private Connection(IBuilderChannel channel, DaemonConnection daemon)
        {
            this.channel = channel;
            Daemon = daemon;
        }

        public DaemonConnection Daemon { get; }

        public static async Task<Connection> OpenAsync(
            NixBuilder builder, IBuilderTransport transport, ChannelUse use, DaemonOptions options, CancellationToken cancellation, TimeSpan? limit = null)
        {
            var opened = await transport.OpenAsync(use, cancellation);
            var description = Describe(builder, opened, use) with { Settings = options };
            if (limit is { } greeting) description = description with { HandshakeTimeout = greeting };
            try
            {
                return new(opened, await DaemonConnection.OpenAsync(opened.Stream, description, cancellation));
            }
            catch
            {
                await opened.DisposeAsync();
                throw;
            }
        }

        private static DaemonConnectionOptions Describe(NixBuilder builder, IBuilderChannel channel, ChannelUse use)
        {
            var description = new DaemonConnectionOptions { Builder = builder.Name, ErrorOutput = () => channel.ErrorOutput };
            return use == ChannelUse.Bulk ? description with { BufferSize = BulkBufferSize } : description;
        }

        public async ValueTask DisposeAsync()
        {
            await Daemon.DisposeAsync();
            await channel.DisposeAsync();
        }
    }
}
