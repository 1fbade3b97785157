using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol;

// Questions to the store, and settings.
internal sealed partial class DaemonConnection
{
    /// <summary>Gives the daemon settings for the rest of this connection. Those that it has already are not sent again.</summary>
    public async Task SetOptionsAsync(DaemonOptions settings, CancellationToken cancellation)
    {
        if (settings == given) return;
        await RequestAsync(new SetOptionsRequest(settings), sink: null, cancellation);
        given = settings;
    }

    /// <summary>Which of these paths are valid.</summary>
    /// <param name="paths">The paths to ask about.</param>
    /// <param name="substitute">Whether the daemon first fetches missing paths from its substituters.</param>
    /// <param name="cancellation">Closes the connection.</param>
    public Task<IReadOnlySet<StorePath>> QueryValidPathsAsync(
        IReadOnlyCollection<StorePath> paths, bool substitute, CancellationToken cancellation) =>
        RequestAsync(new QueryValidPathsRequest(paths, substitute), sink: null, cancellation);

    /// <summary>The store's information on a path; null where it is not valid.</summary>
    public Task<PathInfo?> QueryPathInfoAsync(StorePath path, CancellationToken cancellation) =>
        RequestAsync(new QueryPathInfoRequest(path), sink: null, cancellation);

    /// <summary>The store's information on these paths, in one round trip; paths that are not valid are left out.</summary>
    public async Task<IReadOnlyDictionary<StorePath, PathInfo>> QueryPathInfosAsync(
        IReadOnlyCollection<StorePath> paths, CancellationToken cancellation)
    {
        var infos = await PipelineAsync([.. paths.Distinct().Select(path => new QueryPathInfoRequest(path))], cancellation);
        return infos.OfType<PathInfo>().ToDictionary(info => info.Path);
    }

    /// <summary>What would have to be built and fetched for these.</summary>
    public Task<MissingPaths> QueryMissingAsync(IReadOnlyCollection<DerivedPath> paths, CancellationToken cancellation) =>
        RequestAsync(new QueryMissingRequest(paths), sink: null, cancellation);

    /// <summary>The outputs of a derivation by name; null for a path that is known only after the build.</summary>
    /// <exception cref="DaemonException">The derivation is not in the store.</exception>
    public Task<IReadOnlyDictionary<string, StorePath?>> QueryDerivationOutputMapAsync(
        StorePath derivation, CancellationToken cancellation) =>
        RequestAsync(new QueryDerivationOutputMapRequest(derivation), sink: null, cancellation);

    /// <summary>The same for several derivations, in one round trip.</summary>
    /// <exception cref="DaemonException">A derivation is not in the store.</exception>
    public async Task<IReadOnlyDictionary<StorePath, IReadOnlyDictionary<string, StorePath?>>> QueryDerivationOutputMapsAsync(
        IReadOnlyCollection<StorePath> derivations, CancellationToken cancellation)
    {
        var maps = await PipelineAsync(
            [.. derivations.Select(derivation => new QueryDerivationOutputMapRequest(derivation))], cancellation);
        return derivations.Zip(maps).ToDictionary(pair => pair.First, pair => pair.Second);
    }

    /// <summary>
    /// Where outputs of a resolved derivation are, which stores look up by name (<see cref="Realisation"/>), in the same order; null: it
    /// does not know.
    /// </summary>
    public Task<IReadOnlyList<StorePath?>> QueryRealisationsAsync(
        StorePath resolved, IReadOnlyCollection<string> ids, CancellationToken cancellation) =>
        PipelineAsync([.. ids.Select(id => new QueryRealisationRequest(resolved, id))], cancellation);
}
