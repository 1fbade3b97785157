using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>The sessions of a run, closed together when it ends, however it ends.</summary>
internal sealed class SessionSet : IAsyncDisposable
{
    /// <summary>Longer than telling a peer that listens, shorter than a person at the prompt notices.</summary>
    private static readonly TimeSpan Farewell = TimeSpan.FromMilliseconds(500);

    private readonly IBuilderTransportFactory transports;
    private readonly TransportOptions options;
    private readonly TimeProvider time;
    private readonly IReadOnlyDictionary<string, string> settings;
    private readonly object gate = new();
    private readonly CancellationTokenSource closing = new();
    private readonly List<(IBuilderTransport Transport, Task<BuilderSession> Session)> opened = [];
    private volatile bool isComplete;

    /// <summary>Makes an empty set.</summary>
    /// <param name="transports">How builders are reached.</param>
    /// <param name="options">For each of them.</param>
    /// <param name="settings">Settings of nix.conf for every connection; null: none.</param>
    /// <param name="time">The clock; null: the machine's.</param>
    public SessionSet(
        IBuilderTransportFactory transports, TransportOptions options, IReadOnlyDictionary<string, string>? settings = null,
        TimeProvider? time = null)
    {
        this.time = time ?? TimeProvider.System;
        this.settings = settings ?? new Dictionary<string, string>();
        this.transports = transports;
        this.options = options with { IsComplete = () => isComplete };
    }

    /// <summary>The run has ended by itself: its connections may serve the next one. Those of a stopped run are closed.</summary>
    public void Complete() => isComplete = true;

    /// <summary>Opens a session with the local store, which every run uses, whether or not it builds there.</summary>
    /// <exception cref="BuilderException">There is no local store that can be used.</exception>
    public Task<BuilderSession> OpenLocalAsync(IEnumerable<NixBuilder> farm, CancellationToken cancellation) =>
        OpenAsync(farm.FirstOrDefault(builder => builder.IsLocal) ?? NixBuilder.LocalStore, useSubstitutes: true, cancellation);

    /// <summary>Opens a session.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="useSubstitutes">Whether it may fetch from its substituters.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="forNars">Whether many NARs are to follow.</param>
    /// <exception cref="BuilderException">The builder cannot be reached or used.</exception>
    /// <exception cref="OperationCanceledException">The run has ended meanwhile.</exception>
    public Task<BuilderSession> OpenAsync(NixBuilder builder, bool useSubstitutes, CancellationToken cancellation, bool forNars = false)
    {
        var transport = transports.Create(builder, options);
        var session = OpenAsync(builder, transport, Options(useSubstitutes), forNars, cancellation);
        lock (gate)
        {
            opened.Add((transport, session));
        }
        return session;
    }

    /// <summary>
    /// Closes all of them at once, and cancels those that are being opened. Does not wait for silent peers: closing goes on in the
    /// background.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        (IBuilderTransport Transport, Task<BuilderSession> Session)[] all;
        lock (gate) all = [.. opened];
        await BrieflyAsync(CloseAllAsync(all));
    }

    private async Task CloseAllAsync((IBuilderTransport Transport, Task<BuilderSession> Session)[] all)
    {
        await closing.CancelAsync();
        await Task.WhenAll(all.Select(member => CloseAsync(member.Session)));
        await Task.WhenAll(all.Select(member => member.Transport.DisposeAsync().AsTask()));
        closing.Dispose();
    }

    private static async Task BrieflyAsync(Task closing)
    {
        if (await Task.WhenAny(closing, Task.Delay(Farewell)) == closing) await closing;
        else _ = closing.ContinueWith(static left => _ = left.Exception, TaskScheduler.Default);
    }

    /// <summary>Closes one before the others.</summary>
    public async Task CloseAsync(BuilderSession session)
    {
        (IBuilderTransport Transport, Task<BuilderSession> Session) member;
        lock (gate)
        {
            var index = opened.FindIndex(other => other.Session.IsCompletedSuccessfully && other.Session.Result == session);
            if (index < 0) return;
            member = opened[index];
            opened.RemoveAt(index);
        }
        await BrieflyAsync(CloseAsync());

        async Task CloseAsync()
        {
            await session.DisposeAsync();
            await member.Transport.DisposeAsync();
        }
    }

    private async Task<BuilderSession> OpenAsync(
        NixBuilder builder, IBuilderTransport transport, DaemonOptions daemonOptions, bool forNars, CancellationToken cancellation)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, closing.Token);
        return await BuilderSession.OpenAsync(builder, transport, daemonOptions, either.Token, forNars, time: time);
    }

    private static async Task CloseAsync(Task<BuilderSession> opening)
    {
        await Task.WhenAny(opening);
        if (opening.IsCompletedSuccessfully) await opening.Result.DisposeAsync();
    }

    // Without builders = "" the local daemon would hand our builds to its own remote builders.
    private DaemonOptions Options(bool useSubstitutes) => new()
    {
        UseSubstitutes = useSubstitutes,
        Overrides = new Dictionary<string, string>(settings) { ["builders"] = "" },
    };
}
