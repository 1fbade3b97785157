using System.Collections.Concurrent;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Running;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Serving;

/// <summary>Builds each order as a run on the farm.</summary>
/// <param name="template">The builders, and how the owner of the front wants things built.</param>
/// <param name="transports">How builders are reached.</param>
/// <param name="history">What earlier runs have taught, and what these teach.</param>
/// <param name="observer">Is told of all runs.</param>
internal sealed class FarmBuilds(BuildRequest template, IBuilderTransportFactory transports, IRunHistory history, IBuildObserver observer) : IBuildService
{
    private readonly ConcurrentDictionary<string, CancellationTokenSource> runs = new();

    /// <inheritdoc/>
    public IReadOnlyList<string> Runs => [.. runs.Keys.Order(StringComparer.Ordinal)];

    /// <inheritdoc/>
    public BuildTicket Begin(BuildOrder order, IBuildObserver client, CancellationToken cancellation)
    {
        var run = new BuildRun(RequestOf(order), transports, history, new CombinedObserver(observer, client), order.Source);
        return new(run.RunId, RunAsync(run, cancellation));
    }

    /// <inheritdoc/>
    public bool Stop(string runId)
    {
        if (!runs.TryGetValue(runId, out var stop)) return false;
        stop.Cancel();
        return true;
    }

    private async Task<IReadOnlyList<NixBuildResult>> RunAsync(BuildRun run, CancellationToken cancellation)
    {
        var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        runs[run.RunId] = stop;
        try
        {
            return await run.RunAsync(stop.Token);
        }
        finally
        {
            runs.TryRemove(run.RunId, out _);
        }
    }

    private BuildRequest RequestOf(BuildOrder order) => template with
    {
        Evaluate = _ => Task.FromResult(order.Derivations),
        Named = order.Named,
        KeepGoing = template.KeepGoing || order.Settings.KeepGoing,
        MaxSilentTime = template.MaxSilentTime ?? order.Settings.MaxSilentTime,
        Timeout = template.Timeout ?? order.Settings.Timeout,
        Cores = template.Cores ?? order.Settings.Cores,
        // The local daemon, which answers the client then, is to find all that it asks for.
        CopyBack = template.CopyBack == CopyBack.None ? CopyBack.Requested : template.CopyBack,
        IsCopyBackGiven = true,
    };
}
