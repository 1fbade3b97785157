using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Supplying;
using NixBuildFarm.Transport;
using NixBuildFarm.Work;

namespace NixBuildFarm.Running;

/// <summary>Accepts what builders say of the outputs that they have built, as far as it can be: <see cref="ResultRule"/>.</summary>
/// <param name="catalog">Receives what is accepted.</param>
/// <param name="closures">Finds out what stores have.</param>
internal sealed class BuiltOutputs(PathCatalog catalog, Closures closures)
{
    /// <summary>Whether the local store cannot say where outputs are that follow from their contents.</summary>
    private volatile bool isHomeIgnorant;

    /// <summary>Accepts the outputs of a job.</summary>
    /// <param name="at">The builder.</param>
    /// <param name="job">The job.</param>
    /// <param name="named">Where the builder says that outputs are whose paths were not known before, by name.</param>
    /// <param name="said">What it has said of the outputs; null: it is asked.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The outputs by name.</returns>
    /// <exception cref="BuilderException">The builder does not have the outputs, or says what cannot be.</exception>
    public async Task<IReadOnlyDictionary<string, StorePath>> AcceptAsync(
        BuilderSession at,
        WorkItem job,
        IReadOnlyDictionary<string, StorePath> named,
        IReadOnlyDictionary<StorePath, PathInfo>? said,
        CancellationToken cancellation)
    {
        if (job.Resolved is { } resolved && job.OutputsToBuild.Any(output => output.Value.Path is null && !named.ContainsKey(output.Key)))
        {
            // Some versions of Nix do not say it with the result.
            named = await at.AskAsync((daemon, token) => ReadRealisedAsync(daemon, job, resolved, token), cancellation);
        }
        var outputs = ResultRule.Name(at.Builder.Name, job, named);
        StorePath[] unforeseen = [.. outputs.Where(output => job.OutputsToBuild[output.Key].Path is null).Select(output => output.Value)];
        if (unforeseen.Length > 0) await at.ProtectAsync(unforeseen, cancellation);
        if (at.Builder.IsLocal) await AcceptLocalAsync(at, job, outputs.Values, cancellation);
        else await AcceptForeignAsync(at, job, outputs, said, cancellation);
        return outputs;
    }

    /// <summary>
    /// The outputs of a job that is resolved now, where the local store has them all: another derivation that came to the same was built
    /// before. They are protected there from then on. Null: it has to be built.
    /// </summary>
    public async Task<IReadOnlyDictionary<string, StorePath>?> FindAtHomeAsync(
        BuilderSession local, WorkItem job, CancellationToken cancellation)
    {
        if (job.Resolved is not { } resolved || job.Derivation.IsImpure || isHomeIgnorant) return null;
        IReadOnlyDictionary<string, StorePath> known;
        try
        {
            // Not over the control channel: where ca-derivations is off, a daemon before Nix 2.33 dies of this question.
            known = await local.UseAsync(
                ChannelUse.Build, daemon => ReadRealisedAsync(daemon, job, resolved, cancellation), cancellation);
        }
        catch (Exception e) when (e is DaemonException or BuilderException)
        {
            isHomeIgnorant = true;
            return null;
        }
        if (known.Count < job.OutputsToBuild.Count) return null;
        await local.ProtectAsync(known.Values, cancellation);
        await closures.DiscoverAsync(local, [.. known.Values], cancellation);
        return known.Values.All(path => catalog.Has(local, path)) ? known : null;
    }

    /// <summary>Tells the local store, which has the outputs of a job, that they are those of its derivation.</summary>
    /// <param name="local">The local store.</param>
    /// <param name="job">The job.</param>
    /// <param name="resolved">What it was resolved to when they were built; null: there is nothing to tell.</param>
    /// <param name="outputs">Where they are, by name.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task RegisterAsync(
        BuilderSession local, WorkItem job, ResolvedDerivation? resolved, IReadOnlyDictionary<string, StorePath> outputs,
        CancellationToken cancellation)
    {
        if (resolved is null || job.Unresolved is not { } unresolved) return;
        var realisations = unresolved.RealisationsOf(resolved, outputs).ToLookup(realisation => realisation.Resolved is not null);
        if (realisations[false].Any()) await TellAsync(realisations[false]);
        try
        {
            if (realisations[true].Any()) await TellAsync(realisations[true]);
        }
        catch (DaemonException e) when (e.Text.Contains("already have another one", StringComparison.Ordinal))
        {
            // Another derivation that comes to the same was built first, and differently: for later ones that one counts.
        }

        Task TellAsync(IEnumerable<Realisation> told) =>
            local.AskAsync((daemon, token) => daemon.RegisterRealisationsAsync([.. told], token), cancellation);
    }

    /// <summary>Bytes of the NARs of paths, as far as they are known.</summary>
    public long BytesOf(IEnumerable<StorePath> paths) => paths.Sum(path => catalog.Find(path)?.NarSize ?? 0);

    /// <summary>
    /// Finds the jobs whose outputs a builder, which was lost, still has. They are accepted, and protected there from now on.
    /// </summary>
    public async Task<IReadOnlyList<T>> FindKeptAsync<T>(BuilderSession at, IReadOnlyList<T> jobs, CancellationToken cancellation)
        where T : WorkItem
    {
        // What was built from inputs that are others by now is built again.
        jobs = [.. jobs.Where(job => job.BuiltFrom is null || job.BuiltFrom == job.Resolved)];
        if (jobs.Count == 0) return [];
        StorePath[] paths = [.. jobs.SelectMany(job => job.Outputs)];
        await at.ProtectAsync(paths, cancellation);
        var valid = await at.AskAsync((daemon, token) => daemon.QueryValidPathsAsync(paths, substitute: false, token), cancellation);
        T[] kept = [.. jobs.Where(job => job.Outputs.All(valid.Contains))];
        foreach (var job in kept) await AcceptAsync(at, job, job.Realised, null, cancellation);
        // Where others have built it meanwhile and got other bytes, theirs count.
        return [.. kept.Where(job => job.Outputs.All(path => catalog.Has(at, path)))];
    }

    private async Task AcceptLocalAsync(BuilderSession at, WorkItem job, IEnumerable<StorePath> outputs, CancellationToken cancellation)
    {
        StorePath[] paths = [.. outputs];
        await closures.DiscoverAsync(at, paths, cancellation);
        if (paths.FirstOrDefault(path => !catalog.Has(at, path) && catalog.Find(path) is null) is { } missing)
        {
            throw Missing(at, job, missing);
        }
    }

    private async Task AcceptForeignAsync(
        BuilderSession at,
        WorkItem job,
        IReadOnlyDictionary<string, StorePath> outputs,
        IReadOnlyDictionary<StorePath, PathInfo>? said,
        CancellationToken cancellation)
    {
        var inputs = catalog.ClosureOf(job.Inputs);
        var rule = new ResultRule(at.Builder.Name, job, outputs, inputs.Select(info => info.Path).ToHashSet());
        var taken = await ReadAsync(at, job, rule, said, cancellation);
        var read = taken.SelectMany(path => path.Info.References).ToHashSet();
        await closures.FindMissingAsync(at, inputs.Where(info => read.Contains(info.Path)), cancellation, substitute: false);
        foreach (var (info, isVouchedFor) in taken) catalog.Add(info, at, isVouchedFor);
    }

    /// <summary>Reads what a builder says of outputs; the rule judges each.</summary>
    private static async Task<IReadOnlyList<TakenPath>> ReadAsync(
        BuilderSession at, WorkItem job, ResultRule rule, IReadOnlyDictionary<StorePath, PathInfo>? said, CancellationToken cancellation)
    {
        StorePath[] paths = [.. rule.Outputs];
        if (said is null || !paths.All(said.ContainsKey))
        {
            said = await at.AskAsync((daemon, token) => daemon.QueryPathInfosAsync(paths, token), cancellation);
        }
        return [.. paths.Select(path => rule.Take(said.GetValueOrDefault(path) ?? throw Missing(at, job, path)))];
    }

    /// <summary>Where a store has the outputs of a derivation that is resolved, as far as it knows them, valid or not.</summary>
    private static async Task<IReadOnlyDictionary<string, StorePath>> ReadRealisedAsync(
        DaemonConnection daemon, WorkItem job, ResolvedDerivation resolved, CancellationToken cancellation)
    {
        var known = job.OutputsToBuild.Where(output => output.Value.Path is not null)
            .ToDictionary(output => output.Key, output => output.Value.Path!);
        string[] unknown = [.. job.OutputsToBuild.Keys.Where(name => !known.ContainsKey(name))];
        if (unknown.Length == 0) return known;
        var found = await daemon.QueryRealisationsAsync(
            resolved.Path, [.. unknown.Select(resolved.RealisationId)], cancellation);
        foreach (var (name, path) in unknown.Zip(found))
        {
            if (path is not null) known.Add(name, path);
        }
        return known;
    }

    private static BuilderException Missing(BuilderSession at, WorkItem job, StorePath path) =>
        ResultRule.Broken(at.Builder.Name, $"says that it built {job.Name}, but does not have {path}");
}
