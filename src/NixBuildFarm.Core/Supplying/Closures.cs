using NixBuildFarm.Errors;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>Finds out which paths stores have, for the catalog.</summary>
/// <param name="catalog">Receives the information.</param>
internal sealed class Closures(PathCatalog catalog)
{
    /// <summary>Reads a store's information on valid paths and on all that they refer to.</summary>
    /// <param name="at">The store.</param>
    /// <param name="paths">The paths; those that are not valid there are left out.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="believe">
    /// Whether to believe the store. The local store is always believed; a builder that takes a path from any other checks it.
    /// </param>
    /// <exception cref="BuilderException">A path refers to one that is not valid, which cannot be.</exception>
    public async Task DiscoverAsync(
        BuilderSession at, IReadOnlyCollection<StorePath> paths, CancellationToken cancellation, bool believe = false)
    {
        var question = new ClosureReader(at);
        var seen = new HashSet<StorePath>();
        var roots = Unknown(paths);
        for (var level = roots; level.Length > 0;)
        {
            var infos = await question.ReadAsync(level, path => !catalog.Has(at, path), cancellation);
            if (level != roots && level.FirstOrDefault(path => !infos.ContainsKey(path)) is { } absent) throw Incomplete(at, absent);
            foreach (var info in infos.Values) catalog.Add(info, at, believe || at.Builder.IsLocal);
            level = Unknown(infos.Values.SelectMany(info => info.References));
        }

        StorePath[] Unknown(IEnumerable<StorePath> some) => [.. some.Where(path => !catalog.Has(at, path) && seen.Add(path))];
    }

    /// <summary>
    /// Asks which of the paths a builder has. Takes temp roots before it asks, so that nothing is collected in between.
    /// </summary>
    /// <param name="to">The builder.</param>
    /// <param name="wanted">The paths.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="substitute">Whether the builder first fetches from its substituters, if it may.</param>
    public async Task FindMissingAsync(
        BuilderSession to, IEnumerable<PathInfo> wanted, CancellationToken cancellation, bool substitute = true)
    {
        var unknown = wanted.Where(info => !catalog.Has(to, info.Path)).ToArray();
        if (unknown.Length == 0) return;
        var paths = unknown.Select(info => info.Path).ToArray();
        await to.ProtectAsync(paths, cancellation);
        // The local store's substituters were asked at the beginning of the run. Those of a builder may be slow to send, and no other
        // question should wait for that.
        var valid = substitute && to.UsesSubstitutes && !to.Builder.IsLocal
            ? await to.AskBesideAsync((daemon, token) => daemon.QueryValidPathsAsync(paths, substitute: true, token), cancellation)
            : await to.AskAsync((daemon, token) => daemon.QueryValidPathsAsync(paths, substitute: false, token), cancellation);
        foreach (var info in unknown.Where(info => valid.Contains(info.Path))) catalog.AddHolder(info.Path, to);
    }

    private static BuilderException Incomplete(BuilderSession at, StorePath path) => new(
        at.Builder.Name,
        BuilderFailure.FalseResult,
        $"{at} says that a path refers to {path}, which it does not have.",
        $"See whether the store of {at} is damaged: nix-store --verify");
}
