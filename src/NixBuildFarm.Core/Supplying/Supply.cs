using System.Collections.Immutable;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Nar;
using NixBuildFarm.Work;

namespace NixBuildFarm.Supplying;

/// <summary>
/// Brings store paths to where they are needed. What is there stays; the rest streams, references first, from whoever
/// has it, through this machine's memory. A path goes to a builder once at a time, however many builds wait for it.
/// The round trips of a supply do not grow with the number of its paths.
/// </summary>
/// <param name="catalog">Who has what; kept up to date.</param>
/// <param name="transfers">Decides which of the transfers under way goes first.</param>
/// <param name="meter">Learns what the links carry.</param>
/// <param name="warn">Is told of holders that could not give what they have.</param>
/// <param name="home">The local store, if all that is built comes there anyway; null: what one builder needs of another goes there directly.</param>
internal sealed class Supply(PathCatalog catalog, TransferScheduler transfers, LinkMeter meter, Action<string> warn, BuilderSession? home = null)
{
    private readonly object gate = new();
    private readonly Dictionary<(BuilderSession To, StorePath Path), Delivery> underWay = [];

    /// <summary>
    /// Makes the paths and all that they refer to valid at a builder, protected there from its garbage collector for as
    /// long as the session lives.
    /// </summary>
    /// <returns>Bytes of NARs that were sent for this.</returns>
    /// <exception cref="BuilderException">The builder, or every one that holds a path, is lost.</exception>
    /// <exception cref="DaemonException">The builder refuses a path.</exception>
    /// <exception cref="NixBuildFarmException">Every copy of a path is damaged, or there is none.</exception>
    public Task<long> EnsureAsync(BuilderSession to, IReadOnlyCollection<StorePath> paths, Urgency urgency, CancellationToken cancellation) =>
        EnsureAsync(to, catalog.ClosureOf(paths), urgency, cancellation);

    /// <summary>The same for these paths alone, which stand in an order in which each comes after those that it refers to.</summary>
    /// <param name="to">The builder.</param>
    /// <param name="paths">The paths; the catalog knows who has them.</param>
    /// <param name="urgency">How much it matters.</param>
    /// <param name="cancellation">Calls it off.</param>
    /// <param name="arrived">Is called with each path that was sent for this, and with whom it came from.</param>
    /// <param name="sent">Is called with the number of bytes of each piece that was sent for this.</param>
    public async Task<long> EnsureAsync(
        BuilderSession to,
        IReadOnlyList<PathInfo> paths,
        Urgency urgency,
        CancellationToken cancellation,
        Action<PathInfo, BuilderSession>? arrived = null,
        Action<int>? sent = null)
    {
        var bytes = 0L;
        await FindMissingAsync(to, paths, cancellation);
        while (true)
        {
            using var transfer = transfers.Begin(to.Builder, urgency);
            var (mine, others) = Claim(to, paths, transfer);
            if (mine.Count + others.Count == 0) return bytes;
            try
            {
                // What somebody else is sending is awaited first: a path must not arrive before what it refers to.
                await Task.WhenAll(others).WaitAsync(cancellation);
                await SendAsync(to, mine, transfer, Arrived, sent, cancellation);
            }
            finally
            {
                foreach (var info in mine) Release(to, info, transfer);
            }
        }

        void Arrived(PathInfo info, BuilderSession from)
        {
            bytes += info.NarSize;
            arrived?.Invoke(info, from);
        }
    }

    /// <summary>Learns what a store knows of paths that are valid there, and of all that they refer to.</summary>
    /// <param name="at">The store.</param>
    /// <param name="paths">The paths; those that are not valid there are left out.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="believe">Whether to believe what it says, beside the local store; else whoever takes a path from it checks it.</param>
    /// <exception cref="BuilderException">A path refers to what is not there, which cannot be.</exception>
    public async Task LearnAsync(BuilderSession at, IReadOnlyCollection<StorePath> paths, CancellationToken cancellation, bool believe = false)
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

    /// <summary>Learns what a builder has made of a job, as far as it can be: <see cref="ResultRule"/>.</summary>
    /// <param name="at">The builder.</param>
    /// <param name="job">The job.</param>
    /// <param name="named">Where the builder says that outputs are whose paths were not known before, by name.</param>
    /// <param name="said">What it has said of the outputs; null: it is asked.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The outputs by name.</returns>
    /// <exception cref="BuilderException">The builder does not have the outputs, or says what cannot be.</exception>
    public async Task<IReadOnlyDictionary<string, StorePath>> LearnOutputsAsync(
        BuilderSession at, WorkItem job, IReadOnlyDictionary<string, StorePath> named, IReadOnlyDictionary<StorePath, PathInfo>? said, CancellationToken cancellation)
    {
        if (!job.Derivation.Outputs.All(output => output.Value.Path is not null || named.ContainsKey(output.Key)))
        {
            // Some versions of Nix do not say it with the result.
            var map = await at.AskAsync((daemon, token) => daemon.QueryDerivationOutputMapAsync(job.Path, token), cancellation);
            named = map.Where(output => output.Value is not null).ToDictionary(output => output.Key, output => output.Value!);
        }
        var outputs = ResultRule.Name(at.Builder.Name, job, named);
        if (at.Builder.IsLocal)
        {
            await LearnAsync(at, [.. outputs.Values], cancellation);
            return outputs.Values.FirstOrDefault(path => !catalog.Has(at, path) && catalog.Find(path) is null) is { } missing ? throw Missing(at, job, missing) : outputs;
        }

        var others = job.Goal is { HasDeferredOutputs: true } goal
            ? await at.AskAsync((daemon, token) => daemon.QueryDerivationOutputMapsAsync([.. goal.Members.Select(member => member.Path)], token), cancellation)
            : ImmutableDictionary<StorePath, IReadOnlyDictionary<string, StorePath?>>.Empty;
        var inputs = catalog.ClosureOf(job.Inputs);
        var rule = new ResultRule(at.Builder.Name, job, outputs, others, inputs.Select(info => info.Path).ToHashSet());
        var taken = await ReadAsync(at, job, rule, said, cancellation);
        var read = taken.SelectMany(path => path.Info.References).ToHashSet();
        await FindMissingAsync(at, inputs.Where(info => read.Contains(info.Path)), cancellation, substitute: false);
        foreach (var (info, isVouchedFor) in taken) catalog.Add(info, at, isVouchedFor);
        return outputs;
    }

    /// <summary>What the rule takes of what a builder says of outputs, and of what they refer to beside inputs.</summary>
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

    /// <summary>Which of some jobs a builder, which was lost, still has the outputs of; they are learnt, and protected there from now on.</summary>
    public async Task<IReadOnlyList<T>> FindKeptAsync<T>(BuilderSession at, IReadOnlyList<T> jobs, CancellationToken cancellation)
        where T : WorkItem
    {
        if (jobs.Count == 0) return [];
        StorePath[] paths = [.. jobs.SelectMany(job => job.Outputs)];
        await at.ProtectAsync(paths, cancellation);
        var valid = await at.AskAsync((daemon, token) => daemon.QueryValidPathsAsync(paths, substitute: false, token), cancellation);
        T[] kept = [.. jobs.Where(job => job.Outputs.All(valid.Contains))];
        foreach (var job in kept) await LearnOutputsAsync(at, job, job.Realised, null, cancellation);
        // Where others have built it meanwhile and got other bytes, theirs count.
        return [.. kept.Where(job => job.Outputs.All(path => catalog.Has(at, path)))];
    }

    private static BuilderException Incomplete(BuilderSession at, StorePath path) => new(
        at.Builder.Name, BuilderFailure.FalseResult, $"{at} says that a path refers to {path}, which it does not have.", $"See whether the store of {at} is damaged: nix-store --verify");

    private static BuilderException Missing(BuilderSession at, WorkItem job, StorePath path) =>
        ResultRule.Broken(at.Builder.Name, $"says that it built {job.Name}, but does not have {path}");

    /// <summary>
    /// Asks which of the paths a builder has, for the catalog. Takes temp roots before it asks, so that nothing can be collected
    /// in between.
    /// </summary>
    /// <param name="to">The builder.</param>
    /// <param name="wanted">The paths.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="substitute">Whether the builder first fetches from its substituters what it can, where it may.</param>
    public async Task FindMissingAsync(BuilderSession to, IEnumerable<PathInfo> wanted, CancellationToken cancellation, bool substitute = true)
    {
        var unknown = wanted.Where(info => !catalog.Has(to, info.Path)).ToArray();
        if (unknown.Length == 0) return;
        var paths = unknown.Select(info => info.Path).ToArray();
        await to.ProtectAsync(paths, cancellation);
        // The local store's substituters have been asked when the run began. Those of a builder may take their time to
        // send what they have, and nobody else's question is to wait for that.
        var valid = substitute && to.UsesSubstitutes && !to.Builder.IsLocal
            ? await to.AskBesideAsync((daemon, token) => daemon.QueryValidPathsAsync(paths, substitute: true, token), cancellation)
            : await to.AskAsync((daemon, token) => daemon.QueryValidPathsAsync(paths, substitute: false, token), cancellation);
        foreach (var info in unknown.Where(info => valid.Contains(info.Path))) catalog.AddHolder(info.Path, to);
    }

    /// <summary>Takes on what nobody sends yet; the rest, which others are sending, is to be awaited.</summary>
    private (List<PathInfo> Mine, List<Task> Others) Claim(BuilderSession to, IReadOnlyList<PathInfo> paths, Transfer transfer)
    {
        var (mine, others) = (new List<PathInfo>(), new List<Task>());
        lock (gate)
        {
            foreach (var info in paths)
            {
                if (catalog.Has(to, info.Path)) continue;
                if (underWay.TryGetValue((to, info.Path), out var other))
                {
                    other.Transfer.Raise(transfer.Urgency);
                    others.Add(other.Ended.Task);
                }
                else
                {
                    mine.Add(info);
                    underWay.Add((to, info.Path), new(transfer));
                }
            }
        }
        return (mine, others);
    }

    private void Release(BuilderSession to, PathInfo info, Transfer transfer)
    {
        Delivery? delivery;
        lock (gate)
        {
            if (!underWay.TryGetValue((to, info.Path), out delivery) || delivery.Transfer != transfer) return;
            underWay.Remove((to, info.Path));
        }
        delivery.Ended.SetResult();
    }

    /// <summary>What comes home anyway comes first, and goes on from there: the link of who has it carries it once.</summary>
    private async Task BringHomeAsync(BuilderSession to, IEnumerable<PathInfo> paths, Urgency urgency, CancellationToken cancellation)
    {
        if (home is null || to == home) return;
        StorePath[] elsewhere = [.. paths.Select(info => info.Path).Where(path => !catalog.Has(home, path))];
        if (elsewhere.Length == 0) return;
        try
        {
            await EnsureAsync(home, elsewhere, urgency, cancellation);
        }
        catch (NixBuildFarmException e) when (e is not BuilderException { Failure: BuilderFailure.FalseResult })
        {
            warn($"What {to} needs goes there directly, since it could not be brought home first: {e.Message}");
        }
    }

    /// <summary>Sends all of it. A holder that fails at it is passed over where another one has the path as well.</summary>
    private async Task SendAsync(
        BuilderSession to, List<PathInfo> paths, Transfer transfer, Action<PathInfo, BuilderSession> arrived, Action<int>? sent, CancellationToken cancellation)
    {
        var avoided = new HashSet<BuilderSession>();
        var left = paths;
        while (left.Count > 0)
        {
            RefuseWhatIsNotTaken(to, left);
            await BringHomeAsync(to, left, transfer.Urgency, cancellation);
            try
            {
                await StreamAsync(to, [.. left.Select(info => (info, HolderOf(info)))], transfer, arrived, sent, cancellation);
                return;
            }
            catch (NarSourceException e)
            {
                PassOver(e, avoided);
            }
            await FindMissingAsync(to, left, cancellation);
            left = [.. left.Where(info => !catalog.Has(to, info.Path))];
        }

        BuilderSession HolderOf(PathInfo info) => catalog.NearestHolderOf(info.Path, avoided) ?? throw new PathLostException(info.Path);
    }

    private void PassOver(NarSourceException failed, HashSet<BuilderSession> avoided)
    {
        // One that is lost gives nothing at all; one whose copy is damaged, or gone, may have the others.
        if (failed.Problem is BuilderException) avoided.Add(failed.From);
        else catalog.Remove(failed.Path, failed.From);
        if (catalog.NearestHolderOf(failed.Path, avoided) is not { } next) throw failed.Problem;
        warn($"{failed.From} could not give {failed.Path}, which is taken from {next} instead: {failed.Problem.Message}");
    }

    /// <summary>Streams paths, each after those that it refers to, in one go: nobody waits for an answer in between.</summary>
    private async Task StreamAsync(
        BuilderSession to,
        IReadOnlyList<(PathInfo Info, BuilderSession From)> items,
        Transfer transfer,
        Action<PathInfo, BuilderSession> arrived,
        Action<int>? sent,
        CancellationToken cancellation)
    {
        var sources = items.ToDictionary(item => item.Info.Path, item => item.From);
        await using var feeds = new NarFeeds(items, cancellation);
        await to.UseForNarsAsync(
            items.Sum(item => item.Info.NarSize),
            async daemon =>
            {
                using var measurement = Measure(to, sources.Values);
                var passed = daemon.Passed;
                using var taking = new SilenceWatch(BuilderSession.WorkLimit, transfers.Time, cancellation, () => passed != (passed = daemon.Passed));
                try
                {
                    await daemon.AddMultipleToStoreAsync([.. items.Select(item => Source(item, taking))], MayGoUnchecked, taking.Token, Added);
                }
                catch (OperationCanceledException) when (taking.HasRunOut && !cancellation.IsCancellationRequested)
                {
                    throw to.GiveUp($"has taken nothing of {items[0].Info.Path} for {BuilderSession.WorkLimit.TotalMinutes} minutes");
                }
                catch (DaemonException e) when (e.RefusesContent && e.Refused is { } refused && sources[refused] is { Builder.IsLocal: false } from)
                {
                    throw new NarSourceException(refused, from, ResultRule.Broken(from.Builder.Name, $"gave for {refused} what is not its content, as {to} found: {e.Text.TrimEnd('.')}", e));
                }
                catch (NarMismatchException e)
                {
                    var from = sources[e.Announced.Path];
                    throw new NarSourceException(e.Announced.Path, from, new DamagedPathException(from.Builder.Name, e.Announced.Path, e));
                }
                // One that had to wait tells nothing of the link.
                if (!transfer.WasHeldBack) measurement?.Complete(items.Sum(item => item.Info.NarSize));
            },
            cancellation);

        bool MayGoUnchecked(PathInfo info) => to.Facts.Trusted && catalog.IsVouchedFor(info);

        // As with nix copy: the store that takes a path has not built it.
        NarSource Source((PathInfo Info, BuilderSession From) item, SilenceWatch taking) => new(
            item.Info with { Ultimate = false },
            async (nar, stop) =>
            {
                using var giving = new SilenceWatch(item.From.GivingLimit, transfers.Time, stop);
                await using var outlet = new TransferStream(nar, transfer, giving, taking, sent);
                taking.Hold();
                try
                {
                    await feeds[item.From].TakeAsync(outlet).WaitAsync(giving.Token);
                }
                catch (OperationCanceledException) when (giving.HasRunOut && !stop.IsCancellationRequested)
                {
                    throw new NarSourceException(item.Info.Path, item.From, item.From.GiveUp($"has sent nothing of {item.Info.Path} for {item.From.GivingLimit.TotalMinutes} min"));
                }
                catch (NixBuildFarmException e) when (!outlet.HasFailed)
                {
                    var isDamaged = e.InnerException is NarException { Id: NarException.Malformed };
                    throw new NarSourceException(item.Info.Path, item.From, isDamaged ? new DamagedPathException(item.From.Builder.Name, item.Info.Path, e) : e);
                }
                finally
                {
                    taking.Resume();
                }
            });

        void Added(PathInfo info)
        {
            catalog.AddHolder(info.Path, to);
            arrived(info, sources[info.Path]);
            Release(to, info, transfer);
        }
    }

    /// <summary>From somebody whom it does not trust, a daemon takes what is content-addressed or signed: whether by a key that it knows, it says itself.</summary>
    private static void RefuseWhatIsNotTaken(BuilderSession to, List<PathInfo> paths)
    {
        if (to.Facts.Trusted) return;
        var refused = paths.Find(info => info.ContentAddress is null && info.Signatures.Count == 0);
        if (refused is not null) throw new UnsignedPathException(to, refused.Path);
    }

    /// <summary>Between two builders the slower link decides, which says little of either: only what comes or goes is measured.</summary>
    private LinkMeter.Measurement? Measure(BuilderSession to, IEnumerable<BuilderSession> sources)
    {
        if (sources.Distinct().Take(2).ToArray() is not [var from] || from.Builder.IsLocal == to.Builder.IsLocal) return null;
        return from.Builder.IsLocal ? meter.Begin(to.Builder.Name, toBuilder: true) : meter.Begin(from.Builder.Name, toBuilder: false);
    }

    /// <summary>A path on its way to a builder.</summary>
    private sealed class Delivery(Transfer transfer)
    {
        public Transfer Transfer { get; } = transfer;

        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Whoever should have given a path could not.</summary>
    private sealed class NarSourceException(StorePath path, BuilderSession from, NixBuildFarmException problem)
        : NixBuildFarmException(problem.Id, problem.Message, problem.Recommendation, problem)
    {
        public StorePath Path { get; } = path;

        public BuilderSession From { get; } = from;

        public NixBuildFarmException Problem { get; } = problem;
    }
}

/// <summary>A path cannot go to a builder, which does not trust us, for want of a signature. Where it was built, or came to, what needs it can be built.</summary>
internal sealed class UnsignedPathException(BuilderSession to, StorePath path)
    : NixBuildFarmException(
        "UnsignedPath",
        $"{to} does not trust the user that logs in, and so does not take {path}, which is neither content-addressed nor signed.",
        $"Add that user to trusted-users in /etc/nix/nix.conf of {to}; or have paths signed (secret-key-files) by a key of its trusted-public-keys.");

/// <summary>Nobody has a path any more that is needed: it has to be built again.</summary>
internal sealed class PathLostException(StorePath path)
    : NixBuildFarmException("PathLost", $"No builder of this run has {path} any more.", "Start the run again: what is missing is built again.")
{
    /// <summary>The path.</summary>
    public StorePath Path { get; } = path;
}

/// <summary>What a builder has of a path is not what it has registered.</summary>
internal sealed class DamagedPathException(string builder, StorePath path, Exception cause) : NixBuildFarmException(
    "DamagedPath",
    $"What {builder} has of {path} is damaged, and was refused: {cause.Message}",
    $"Mend or delete it on {builder}: nix-store --repair-path {path}, or nix-store --delete {path}",
    cause)
{
    /// <summary>Who has it.</summary>
    public string Builder { get; } = builder;

    /// <summary>The path.</summary>
    public StorePath Path { get; } = path;
}
