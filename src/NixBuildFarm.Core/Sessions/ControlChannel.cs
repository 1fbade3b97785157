using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;

namespace NixBuildFarm.Sessions;

/// <summary>
/// The connection of a session for small questions, one at a time. It lives as long as the session and holds the temp roots. It also knows
/// whether the builder has fallen silent.
/// </summary>
/// <param name="builder">The builder.</param>
/// <param name="connection">The connection; closed with this.</param>
/// <param name="time">The clock.</param>
internal sealed class ControlChannel(NixBuilder builder, SessionConnection connection, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan RemoteAnswerLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LocalAnswerLimit = TimeSpan.FromMinutes(10);

    /// <summary>How long a builder may take to show that it is alive.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly object rootGate = new();
    private RootRequest? nextRoots;
    private volatile BuilderException? givenUp;

    /// <summary>
    /// How long a builder may say nothing about a small question. The local daemon may have to wait for its garbage collector; without it
    /// there is no going on, so it has longer.
    /// </summary>
    public TimeSpan AnswerLimit { get; } = builder.IsLocal ? LocalAnswerLimit : RemoteAnswerLimit;

    /// <summary>Whether the builder has failed although its connections live.</summary>
    public bool IsGivenUp => givenUp is not null;

    /// <summary>Asks a builder about itself, over the connection that becomes its control channel.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="daemon">The connection.</param>
    /// <param name="limit">How long it may say nothing; null: as long as usual.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="BuilderException">It does not answer.</exception>
    public static Task<BuilderFacts> ProbeAsync(
        NixBuilder builder, DaemonConnection daemon, TimeSpan? limit, TimeProvider time, CancellationToken cancellation) =>
        DaemonQuestion.AskAsync(
            daemon,
            limit ?? (builder.IsLocal ? BuilderSession.WorkLimit : RemoteAnswerLimit),
            time,
            token => BuilderProbe.AskAsync(daemon, token),
            what => DaemonQuestion.Error(builder.Name, what),
            cancellation);

    /// <summary>
    /// Asks a question. A cancelled caller does not wait for the answer; the question itself is left to its end, since the connection holds
    /// the roots of others. A builder that does not answer is lost.
    /// </summary>
    /// <exception cref="BuilderException">The builder is lost.</exception>
    public async Task<T> AskAsync<T>(Func<DaemonConnection, CancellationToken, Task<T>> question, CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation);
        return await AskInTurnAsync().WaitAsync(cancellation);

        async Task<T> AskInTurnAsync()
        {
            try
            {
                if (givenUp is { } reason) throw reason;
                return await DaemonQuestion.AskAsync(
                    connection.Daemon, AnswerLimit, time, token => question(connection.Daemon, token), GiveUp, CancellationToken.None);
            }
            finally
            {
                turn.Release();
            }
        }
    }

    /// <summary>
    /// Protects paths, valid or not, from the builder's garbage collector for as long as the session lives. Requests that come while an
    /// earlier one is under way are sent together, so that many builds do not need a round trip each.
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

    /// <summary>
    /// Whether the builder answers a small question soon. A builder that is busy with another question counts as answering.
    /// </summary>
    public async Task<bool> AnswersAsync(CancellationToken cancellation)
    {
        if (givenUp is not null) return false;
        if (!await turn.WaitAsync(Patience, cancellation)) return true;
        using var watch = new SilenceWatch(Patience, time, cancellation);
        try
        {
            await PingAsync(connection.Daemon, watch.Token);
            return true;
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException
            || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            if (watch.HasRunOut) GiveUp(DaemonQuestion.Unanswered(Patience));
            return false;
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Asks a small question, and waits for the answer in patience.</summary>
    /// <exception cref="BuilderException">There is none: the builder is lost.</exception>
    public Task PingAsync(CancellationToken cancellation) => AskAsync(PingAsync, cancellation);

    /// <summary>The builder has failed although its connections live: from now on it counts as not answering.</summary>
    /// <param name="what">The fault.</param>
    public BuilderException GiveUp(string what)
    {
        var reason = DaemonQuestion.Error(builder.Name, what);
        return Interlocked.CompareExchange(ref givenUp, reason, null) ?? reason;
    }

    /// <summary>Closes the connection.</summary>
    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private static Task<IReadOnlySet<StorePath>> PingAsync(DaemonConnection daemon, CancellationToken cancellation) =>
        daemon.QueryValidPathsAsync([], substitute: false, cancellation);

    private async Task ProtectNextAsync()
    {
        await Task.Yield(); // the caller holds the gate
        await AskAsync(
            async (daemon, token) =>
            {
                RootRequest request;
                lock (rootGate) (request, nextRoots) = (nextRoots!, null);
                await daemon.AddTempRootsAsync(request.Paths, token);
                return true;
            },
            CancellationToken.None);
    }

    /// <summary>Paths that are to be protected by the next request, and when they are.</summary>
    private sealed class RootRequest(Task ended)
    {
        public Task Ended { get; } = ended;

        public List<StorePath> Paths { get; } = [];
    }
}
