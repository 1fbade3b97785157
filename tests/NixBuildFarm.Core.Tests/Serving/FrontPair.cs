using System.Collections.Concurrent;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Serving;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Serving;

/// <summary>Clients of a front, with a local daemon in memory behind it and a farm that follows a script.</summary>
internal sealed class FrontPair(FakeDaemon daemon) : IBuildService, IBuilderTransport
{
    private readonly ConcurrentBag<Task> sessions = [];

    public FakeDaemon Daemon => daemon;

    /// <summary>What clients have ordered.</summary>
    public ConcurrentQueue<BuildOrder> Orders { get; } = new();

    /// <summary>Whether its clients have all rights.</summary>
    public bool IsTrusted { get; init; } = true;

    /// <summary>What the farm does; by default it builds everything at once.</summary>
    public Func<BuildOrder, IBuildObserver, CancellationToken, Task<IReadOnlyList<NixBuildResult>>> Build { get; init; } =
        (order, _, _) => Task.FromResult<IReadOnlyList<NixBuildResult>>([.. order.Derivations.Select(d => Result(d.Derivation))]);

    /// <summary>Opens a connection as a client does.</summary>
    public Task<DaemonConnection> ConnectAsync(ProtocolVersion? newest = null) => DaemonConnection.OpenAsync(
        Connect(), new() { Builder = "front", NewestVersion = newest ?? ProtocolVersion.Newest }, TestContext.Current.CancellationToken);

    /// <summary>A connection to a session that has not greeted yet.</summary>
    public Stream Connect()
    {
        var channel = new MemoryChannel(64 << 10);
        sessions.Add(ServeAsync(channel));
        return channel.Client;
    }

    /// <summary>Waits until all clients are gone, and so are their connections to the local daemon.</summary>
    public async Task AllEndedAsync()
    {
        await Task.WhenAll(sessions).WaitAsync(TestContext.Current.CancellationToken);
        await daemon.AllClosedAsync();
    }

    public static NixBuildResult Result(
        StorePath derivation, NixBuildStatus status = NixBuildStatus.Built, string? error = null, bool isRequested = true) =>
        new()
    {
        Name = derivation.Name[..^".drv".Length],
        DerivationPath = derivation.ToString(),
        System = "x86_64-linux",
        Status = status,
        Builder = "ruby",
        Started = DateTimeOffset.UnixEpoch,
        Error = error,
        IsRequested = isRequested,
        RunId = "run",
    };

    public IReadOnlyList<string> Runs => [];

    public BuildTicket Begin(BuildOrder order, IBuildObserver observer, CancellationToken cancellation)
    {
        Orders.Enqueue(order);
        return new("run", Task.Run(() => Build(order, observer, cancellation), CancellationToken.None));
    }

    public bool Stop(string runId) => false;

    public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
        Task.FromResult<IBuilderChannel>(new Channel(daemon.Connect()));

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async Task ServeAsync(MemoryChannel channel)
    {
        await using var session = new ClientSession(channel.Server, this, this, IsTrusted);
        await session.ServeAsync(CancellationToken.None);
    }

    private sealed class Channel(Stream stream) : IBuilderChannel
    {
        public Stream Stream => stream;

        public string ErrorOutput => "";

        public ValueTask DisposeAsync() => stream.DisposeAsync();
    }
}
