using System.Collections.Immutable;
using NixBuildFarm.Errors;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;
using NixBuildFarm.Work;

namespace NixBuildFarm.Running;

/// <summary>Accepts what builders say of the outputs that they have built, as far as it can be: <see cref="ResultRule"/>.</summary>
/// <param name="catalog">Receives what is accepted.</param>
/// <param name="closures">Finds out what stores have.</param>
internal sealed class BuiltOutputs(PathCatalog catalog, Closures closures)
{
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
        if (!job.Derivation.Outputs.All(output => output.Value.Path is not null || named.ContainsKey(output.Key)))
        {
            // Some versions of Nix do not say it with the result.
            var map = await at.AskAsync((daemon, token) => daemon.QueryDerivationOutputMapAsync(job.Path, token), cancellation);
            named = map.Where(output => output.Value is not null).ToDictionary(output => output.Key, output => output.Value!);
        }
        var outputs = ResultRule.Name(at.Builder.Name, job, named);
        if (at.Builder.IsLocal) await AcceptLocalAsync(at, job, outputs.Values, cancellation);
        else await AcceptForeignAsync(at, job, outputs, said, cancellation);
        return outputs;
    }

    /// <summary>Bytes of the NARs of paths, as far as they are known.</summary>
    public long BytesOf(IEnumerable<StorePath> paths) => paths.Sum(path => catalog.Find(path)?.NarSize ?? 0);

    /// <summary>
    /// Finds the jobs whose outputs a builder, which was lost, still has. They are accepted, and protected there from now on.
    /// </summary>
    public async Task<IReadOnlyList<T>> FindKeptAsync<T>(BuilderSession at, IReadOnlyList<T> jobs, CancellationToken cancellation)
        where T : WorkItem
    {
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
        var others = job.Goal is { HasDeferredOutputs: true } goal
            ? await at.AskAsync(
                (daemon, token) => daemon.QueryDerivationOutputMapsAsync([.. goal.Members.Select(member => member.Path)], token),
                cancellation)
            : ImmutableDictionary<StorePath, IReadOnlyDictionary<string, StorePath?>>.Empty;
        var inputs = catalog.ClosureOf(job.Inputs);
        var rule = new ResultRule(at.Builder.Name, job, outputs, others, inputs.Select(info => info.Path).ToHashSet());
        var taken = await ReadAsync(at, job, rule, said, cancellation);
        var read = taken.SelectMany(path => path.Info.References).ToHashSet();
        await closures.FindMissingAsync(at, inputs.Where(info => read.Contains(info.Path)), cancellation, substitute: false);
        foreach (var (info, isVouchedFor) in taken) catalog.Add(info, at, isVouchedFor);
    }

    /// <summary>Reads what a builder says of outputs, and of the paths that they refer to beside inputs; the rule judges each.</summary>
    private static async Task<IReadOnlyList<TakenPath>> ReadAsync(
        BuilderSession at, WorkItem job, ResultRule rule, IReadOnlyDictionary<StorePath, PathInfo>? said, CancellationToken cancellation)
    {
        var question = new ClosureReader(at);
        var taken = new List<TakenPath>();
        var seen = new HashSet<StorePath>();
        StorePath[] level = [.. rule.ToDescribe.Where(seen.Add)];
        while (level.Length > 0)
        {
            var infos = said ?? await question.ReadAsync(level, path => !rule.IsInput(path), cancellation);
            said = null;
            if (level.FirstOrDefault(path => !infos.ContainsKey(path)) is { } missing) throw Missing(at, job, missing);
            taken.AddRange(level.Select(path => rule.Take(infos[path])));
            level = [.. level.SelectMany(path => infos[path].References).Where(path => !rule.IsInput(path) && seen.Add(path))];
        }
        return taken;
    }

    private static BuilderException Missing(BuilderSession at, WorkItem job, StorePath path) =>
        ResultRule.Broken(at.Builder.Name, $"says that it built {job.Name}, but does not have {path}");
}
