using System.Collections.Concurrent;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary>
/// The server's side of the worker protocol in this process, over a store in memory; any number of connections. Builds follow a script, and
/// it can be told to misbehave.
/// </summary>
internal sealed class FakeDaemon
{
    private readonly ConcurrentBag<Task> sessions = [];

    public ProtocolVersion Version { get; init; } = ProtocolVersion.WithFeatures;

    public string NixVersion { get; init; } = "2.99.0";

    public DaemonTrust Trust { get; init; } = DaemonTrust.Trusted;

    /// <summary>Features that it has beside those of its version, and nobody else has.</summary>
    public IReadOnlyCollection<string> OtherFeatures { get; init; } = ["a-feature-that-nobody-else-has"];

    public FakeStore Store { get; init; } = new();

    /// <summary>What a build does; by default it succeeds at once.</summary>
    public Func<FakeBuild, Task<BuildResult>> Build { get; init; } = build => Task.FromResult(build.Succeed());

    public FakeFaults Faults { get; init; } = new();

    /// <summary>Whether it answers nothing any more, as a process that was stopped.</summary>
    public bool IsStopped { get; set; }

    /// <summary>Bytes that each direction holds before its writer has to wait.</summary>
    public int Capacity { get; init; } = 64 << 10;

    /// <summary>The requests of all connections, as they came.</summary>
    public ConcurrentQueue<WorkerOperation> Requests { get; } = new();

    /// <summary>The settings of all connections, as they came.</summary>
    public ConcurrentQueue<DaemonOptions> AllOptions { get; } = new();

    /// <summary>The settings that the last SetOptions gave.</summary>
    public DaemonOptions? Options => AllOptions.LastOrDefault();

    /// <summary>The bodies that came with their end mark.</summary>
    public int CompleteBodies { get; set; }

    /// <summary>Opens a connection and serves it.</summary>
    public Stream Connect()
    {
        var channel = new MemoryChannel(Capacity);
        sessions.Add(new FakeDaemonSession(this, channel).RunAsync());
        return channel.Client;
    }

    /// <summary>Opens a connection and greets.</summary>
    public Task<DaemonConnection> OpenAsync(DaemonConnectionOptions? options = null) =>
        DaemonConnection.OpenAsync(Connect(), options ?? new() { Builder = "ruby" }, TestContext.Current.CancellationToken);

    /// <summary>Waits until every connection that was opened has ended.</summary>
    public Task AllClosedAsync() => Task.WhenAll(sessions).WaitAsync(TestContext.Current.CancellationToken);
}
