using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Running;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Serving;

/// <summary>One run of this session that a farm carries out.</summary>
/// <param name="request">What to build; the builders, and how they are used, are the farm's.</param>
/// <param name="farm">The farm.</param>
/// <param name="transports">How the local store is reached, for links.</param>
/// <param name="observer">Is told what happens.</param>
public sealed class JoinedRun(
    BuildRequest request, FarmClient farm, IBuilderTransportFactory transports, IBuildObserver observer) : IBuildObserver
{
    private readonly List<NixBuildResult> results = [];

    /// <summary>How urgent it is among what the same user asks of the farm.</summary>
    public BuildPriority Priority { get; init; }

    /// <summary>Has the farm build.</summary>
    /// <param name="isDetached">Whether the run goes on without this process; this returns when it has begun then, and makes no
    /// links.</param>
    /// <param name="cancellation">Calls it off, unless it is detached.</param>
    /// <returns>The run's id.</returns>
    /// <exception cref="Errors.NixBuildFarmException">It does not evaluate, or the farm could not build at all, or is lost.</exception>
    public async Task<string> RunAsync(bool isDetached, CancellationToken cancellation)
    {
        request.Links?.CheckFolder();
        var requested = await request.Evaluate(cancellation);
        request.Links?.CheckNames(requested);
        var order = new FarmOrder(requested, request.Named)
        {
            KeepGoing = request.KeepGoing,
            MaxSilentTime = request.MaxSilentTime,
            Timeout = request.Timeout,
            Cores = request.Cores,
            Priority = Priority,
        };
        var runId = await farm.BuildAsync(order, isDetached, this, cancellation);
        if (request.Links is not { } links || isDetached) return runId;
        await using var sessions = new SessionSet(transports, new());
        await links.MakeAsync(requested, results, await sessions.OpenLocalAsync([], cancellation), cancellation);
        return runId;
    }

    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        if (news is RunNews.Ended(var result)) results.Add(result);
        observer.Observe(news);
    }
}
