using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Running;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Serving;

/// <summary>One run of this session that a farm carries out.</summary>
/// <param name="request">What to build; the builders, and how they are used, are the farm's.</param>
/// <param name="farm">The farm.</param>
/// <param name="transports">How the local store is reached, which keeps the derivations, and the targets of links.</param>
/// <param name="observer">Is told what happens.</param>
public sealed class JoinedRun(
    BuildRequest request, FarmClient farm, IBuilderTransportFactory transports, IBuildObserver observer) : IBuildObserver
{
    private readonly StoreFolder derivations = new();
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
        await using var sessions = new SessionSet(transports, new());
        var localOpening = sessions.OpenLocalAsync([], cancellation);
        var requested = await request.Evaluate(cancellation);
        request.Links?.CheckNames(requested);
        var local = await localOpening;
        requested = await Reevaluation.UseAsync(requested, request.Evaluate, KeepAsync, cancellation);
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
        await links.MakeAsync(requested, results, local, cancellation);
        return runId;

        // Until the farm reads them.
        async Task<IReadOnlyList<RequestedDerivation>> KeepAsync(IReadOnlyList<RequestedDerivation> evaluated)
        {
            StorePath[] paths = [.. evaluated.Select(derivation => derivation.Derivation)];
            await local.ProtectAsync(paths, cancellation);
            foreach (var path in paths) await derivations.ReadOutlineAsync(path, cancellation);
            return evaluated;
        }
    }

    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        if (news is RunNews.Ended(var result)) results.Add(result);
        observer.Observe(news);
    }
}
