using System.Collections.Concurrent;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>
/// The idle connections of a session, by use. A connection is kept when it comes back intact; a cancelled or broken one is closed, which
/// ends the daemon's work for it.
/// </summary>
/// <param name="builder">The builder.</param>
/// <param name="transport">Reaches it. It belongs to the session's owner.</param>
/// <param name="options">The settings of each connection.</param>
internal sealed class SessionPool(NixBuilder builder, IBuilderTransport transport, DaemonOptions options) : IAsyncDisposable
{
    // No ConcurrentBag: its items are held by the threads that added them, and would outlive the session.
    private readonly ConcurrentDictionary<ChannelUse, ConcurrentStack<Task<SessionConnection>>> idle = new();
    private readonly CancellationTokenSource closing = new();
    private readonly object gate = new();
    private Task leaving = Task.CompletedTask;
    private volatile bool isClosed;

    /// <summary>Whether the session is over.</summary>
    public bool IsClosed => isClosed;

    /// <summary>Opens a connection for later use.</summary>
    public void Open(ChannelUse use) => IdleOf(use).Push(OpenAsync(use, closing.Token));

    /// <summary>Sets a connection aside. Where none is idle, one is opened while its user still does something else.</summary>
    /// <exception cref="BuilderException">The session is over.</exception>
    public Reservation Reserve(ChannelUse use, CancellationToken cancellation)
    {
        if (isClosed) throw Gone();
        return new(this, use, IdleOf(use).TryPop(out var connection) ? connection : OpenAsync(use, cancellation));
    }

    /// <summary>Takes a connection back that is open.</summary>
    public void Return(ChannelUse use, Task<SessionConnection> opened)
    {
        if (isClosed || opened.Result.Daemon.IsBroken) Leave(opened.Result);
        else IdleOf(use).Push(opened);
    }

    /// <summary>Opens a channel to a program in the builder's store.</summary>
    /// <exception cref="BuilderException">The builder cannot be reached or used.</exception>
    public Task<IBuilderChannel> OpenAsync(StoreProgram program, CancellationToken cancellation) =>
        WhileOpenAsync(() => transport.OpenAsync(program, cancellation));

    /// <summary>Opens a channel for readings of the builder's machine.</summary>
    /// <exception cref="BuilderException">The builder cannot be reached.</exception>
    public Task<LiveChannel> OpenLiveAsync(TimeProvider time, CancellationToken cancellation) =>
        WhileOpenAsync(() => LiveChannel.OpenAsync(builder, transport, LiveChannel.Patience, time, cancellation));

    /// <summary>Opens a channel that brings the directory of a failed build.</summary>
    /// <exception cref="BuilderException">The builder cannot be reached.</exception>
    public Task<IBuilderChannel> OpenFolderAsync(CancellationToken cancellation) =>
        WhileOpenAsync(() => transport.OpenAsync(ChannelUse.KeptFolder, cancellation));

    /// <inheritdoc cref="BuildTimesQuestion.AskAsync"/>
    public Task<IReadOnlyList<BuildTime>?> AskBuildTimesAsync(TimeProvider time, CancellationToken calledOff) =>
        BuildTimesQuestion.AskAsync(transport, time, calledOff);

    /// <inheritdoc cref="PushChannel.PushAsync"/>
    public Task PushAsync(string store, IEnumerable<StorePath> paths, TimeProvider time, CancellationToken cancellation) =>
        WhileOpenAsync(async () =>
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, closing.Token);
            try
            {
                await PushChannel.PushAsync(builder, transport, store, paths, time, either.Token);
                return true;
            }
            catch (OperationCanceledException) when (isClosed && !cancellation.IsCancellationRequested)
            {
                throw Gone();
            }
        });

    /// <summary>Closes every idle connection; a connection that comes back later is closed then.</summary>
    public async ValueTask DisposeAsync()
    {
        isClosed = true;
        await closing.CancelAsync();
        await Task.WhenAll(idle.Values.SelectMany(stack => stack).Select(CloseAsync));
        Task left;
        lock (gate) left = leaving;
        await left;
    }

    private static async Task CloseAsync(Task<SessionConnection> opening)
    {
        await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (opening.IsCompletedSuccessfully) await opening.Result.DisposeAsync();
    }

    /// <summary>Closes a connection without waiting for a peer that may not answer.</summary>
    public void Leave(SessionConnection connection)
    {
        lock (gate) leaving = Task.WhenAll(leaving, connection.DisposeAsync().AsTask());
    }

    private ConcurrentStack<Task<SessionConnection>> IdleOf(ChannelUse use) => idle.GetOrAdd(use, static _ => new());

    private Task<SessionConnection> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
        WhileOpenAsync(() => SessionConnection.OpenAsync(builder, transport, use, options, cancellation));

    /// <summary>Opens something over the transport, which is closed with the session.</summary>
    /// <exception cref="BuilderException">The session is over.</exception>
    private async Task<T> WhileOpenAsync<T>(Func<Task<T>> openAsync)
    {
        try
        {
            return await openAsync();
        }
        catch (ObjectDisposedException) when (isClosed)
        {
            throw Gone();
        }
    }

    private BuilderException Gone() => new(builder.Name, BuilderFailure.ConnectionLost, $"{builder.Name} was lost before.");
}
