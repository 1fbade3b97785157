using NixBuildFarm.Builders;
using NixBuildFarm.Deciding;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Running;

/// <summary>
/// Connects the builders that are of use for what joins a run, and of which it does not know yet. Safe for concurrent use.
/// </summary>
/// <param name="remote">All builders.</param>
/// <param name="tasks">The run, which is told.</param>
/// <param name="cancellation">Ends with the run.</param>
internal sealed class UsefulBuilders(RemoteBuilders remote, RunTasks tasks, CancellationToken cancellation) : IDisposable
{
    private readonly SemaphoreSlim turn = new(1);
    private readonly Dictionary<string, Task<Connected>> connections = [];

    /// <summary>What comes of connecting a builder that the run knows of.</summary>
    public Task<Connected> ConnectionOf(NixBuilder builder)
    {
        lock (connections) return connections[builder.Name];
    }

    /// <summary>The run knows of a builder; false: it did before.</summary>
    public bool Add(NixBuilder builder, Task<Connected> connection)
    {
        lock (connections) return connections.TryAdd(builder.Name, connection);
    }

    /// <summary>Begins to connect what may take one of these jobs, and tells the run.</summary>
    public async Task ConnectAsync(JobGraph jobs)
    {
        await turn.WaitAsync(cancellation);
        try
        {
            var (found, resting) = remote.ConnectUseful(jobs, cancellation);
            NixBuilder[] fresh = [.. found.Where(one => Add(one.Key, one.Value)).Select(one => one.Key)];
            NixBuilder[] quarantined = [.. resting.Where(AddQuarantined)];
            if (fresh.Length + quarantined.Length == 0) return;
            tasks.Post(new RunEvent.BuildersFound(fresh, [.. quarantined.Select(builder => (builder, remote.Troubles[builder.Name]))]));
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>The run decides when a builder is connected that failed in an earlier run.</summary>
    public bool AddQuarantined(NixBuilder builder) => Add(builder, Task.FromCanceled<Connected>(new(true)));

    /// <inheritdoc/>
    public void Dispose() => turn.Dispose();
}
