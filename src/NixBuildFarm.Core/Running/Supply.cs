using NixBuildFarm.Builders;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Running;

/// <summary>
/// Brings store paths to where they are needed. What is there stays; the rest streams, references first, from whoever
/// has it, through this machine's memory. A path goes to a builder once at a time, however many builds wait for it.
/// </summary>
internal sealed class Supply(PathCatalog catalog, LinkMeter meter)
{
    private readonly object gate = new();
    private readonly Dictionary<(BuilderSession To, StorePath Path), Task> underWay = [];

    /// <summary>
    /// Makes the paths and all that they refer to valid at a builder, protected there from its garbage collector for as
    /// long as the session lives.
    /// </summary>
    /// <returns>Bytes of NARs that were sent for this.</returns>
    /// <exception cref="BuilderException">The builder, or every one that holds a path, is lost.</exception>
    /// <exception cref="DaemonException">The builder refuses a path.</exception>
    public async Task<long> EnsureAsync(BuilderSession to, IReadOnlyCollection<StorePath> paths, CancellationToken cancellation)
    {
        var sent = 0L;
        var closure = catalog.ClosureOf(paths);
        await AskWhatIsThereAsync(to, closure, cancellation);
        while (true)
        {
            var claim = Claim(to, closure);
            if (claim.IsEmpty) return sent;
            try
            {
                // What somebody else is sending is awaited first: a path must not arrive before what it refers to.
                await Task.WhenAll(claim.Others).WaitAsync(cancellation);
                sent += await SendAsync(to, claim.Mine, cancellation);
            }
            finally
            {
                Release(to, claim);
            }
        }
    }

    /// <summary>Learns what a builder knows of paths that are valid there, and of all that they refer to.</summary>
    public async Task LearnAsync(BuilderSession at, IReadOnlyCollection<StorePath> paths, CancellationToken cancellation)
    {
        var level = paths.Where(path => !catalog.Has(at, path)).Distinct().ToArray();
        while (level.Length > 0)
        {
            var infos = await at.AskAsync(daemon => daemon.QueryPathInfosAsync(level, cancellation), cancellation);
            foreach (var info in infos.Values) catalog.Add(info, at);
            level = infos.Values.SelectMany(info => info.References).Where(path => !catalog.Has(at, path)).Distinct().ToArray();
        }
    }

    /// <summary>Takes temp roots before asking what is valid, so that nothing can be collected in between.</summary>
    private async Task AskWhatIsThereAsync(BuilderSession to, IReadOnlyList<PathInfo> closure, CancellationToken cancellation)
    {
        var unknown = closure.Where(info => !catalog.Has(to, info.Path)).ToArray();
        if (unknown.Length == 0) return;
        var paths = unknown.Select(info => info.Path).ToArray();
        var valid = await to.AskAsync(
            async daemon =>
            {
                await daemon.AddTempRootsAsync(paths, cancellation);
                return await daemon.QueryValidPathsAsync(paths, substitute: to.UsesSubstitutes, cancellation);
            },
            cancellation);
        foreach (var info in unknown.Where(info => valid.Contains(info.Path))) catalog.Add(info, to);
    }

    private SupplyClaim Claim(BuilderSession to, IReadOnlyList<PathInfo> closure)
    {
        var claim = new SupplyClaim();
        lock (gate)
        {
            foreach (var info in closure)
            {
                if (catalog.Has(to, info.Path)) continue;
                if (underWay.TryGetValue((to, info.Path), out var other))
                {
                    claim.Others.Add(other);
                }
                else
                {
                    claim.Mine.Add(info);
                    underWay.Add((to, info.Path), claim.Done.Task);
                }
            }
        }
        return claim;
    }

    private void Release(BuilderSession to, SupplyClaim claim)
    {
        lock (gate)
        {
            foreach (var info in claim.Mine) underWay.Remove((to, info.Path));
        }
        claim.Done.SetResult();
    }

    private async Task<long> SendAsync(BuilderSession to, List<PathInfo> paths, CancellationToken cancellation)
    {
        if (paths.Count == 0) return 0;
        var items = paths.Select(info => new NarSource(info, (nar, stop) => ReadAsync(info, nar, stop))).ToArray();
        var bytes = paths.Sum(info => info.NarSize);
        await to.UseAsync(
            ChannelUse.Bulk,
            async daemon =>
            {
                using var measurement = Measure(to, paths);
                await daemon.AddMultipleToStoreAsync(items, repair: false, dontCheckSignatures: to.Facts.Trusted, cancellation);
                measurement?.Complete(bytes);
                return true;
            },
            cancellation);
        foreach (var info in paths) catalog.Add(info, to);
        return bytes;
    }

    /// <summary>Between two builders the slower link decides, which says little of either: only what comes or goes is measured.</summary>
    private LinkMeter.Measurement? Measure(BuilderSession to, List<PathInfo> paths)
    {
        var sources = paths.Select(info => catalog.NearestHolderOf(info.Path)).Distinct().ToArray();
        if (sources is not [{ } from] || from.Builder.IsLocal == to.Builder.IsLocal) return null;
        return from.Builder.IsLocal ? meter.Begin(to.Builder.Name, toBuilder: true) : meter.Begin(from.Builder.Name, toBuilder: false);
    }

    private async Task ReadAsync(PathInfo info, Stream nar, CancellationToken cancellation)
    {
        var from = catalog.NearestHolderOf(info.Path)
            ?? throw new PathLostException(info.Path);
        await from.UseAsync(ChannelUse.Bulk, daemon => daemon.CopyNarToAsync(info.Path, nar, cancellation), cancellation);
    }

    /// <summary>What one supply sends itself, and what it waits for because another sends it already.</summary>
    private sealed class SupplyClaim
    {
        public List<PathInfo> Mine { get; } = [];

        public List<Task> Others { get; } = [];

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool IsEmpty => Mine.Count + Others.Count == 0;
    }
}

/// <summary>Nobody has a path any more that is needed: it has to be built again.</summary>
internal sealed class PathLostException(StorePath path)
    : NixBuildFarmException("PathLost", $"No builder of this run has {path} any more.", "Start the run again: what is missing is built again.");
