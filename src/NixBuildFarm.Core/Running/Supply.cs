using NixBuildFarm.Builders;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Running;

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
    /// <summary>So many questions cost less than opening a channel for one that answers them all.</summary>
    private const int LevelsOneByOne = 4;

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

    /// <summary>Learns what a builder knows of paths that are valid there, and of all that they refer to.</summary>
    /// <remarks>
    /// The daemon tells one level of references in a round trip. Where there are more than a few the builder is asked for the whole closure,
    /// and then for all of it at once; of what it says only that counts which the paths refer to indeed.
    /// </remarks>
    public async Task LearnAsync(BuilderSession at, IReadOnlyCollection<StorePath> paths, CancellationToken cancellation)
    {
        var told = new Dictionary<StorePath, PathInfo>();
        var questions = 0;
        for (var level = Unknown(paths); level.Length > 0;)
        {
            var asked = level.Where(path => !told.ContainsKey(path)).ToHashSet();
            if (asked.Count > 0)
            {
                if (++questions == LevelsOneByOne) asked.UnionWith(Unknown(await at.GuessClosureAsync(asked, cancellation)));
                foreach (var info in (await at.AskAsync((daemon, token) => daemon.QueryPathInfosAsync(asked, token), cancellation)).Values) told[info.Path] = info;
            }
            var infos = level.Select(told.GetValueOrDefault).OfType<PathInfo>().ToArray();
            foreach (var info in infos) catalog.Add(info, at);
            level = Unknown(infos.SelectMany(info => info.References));
        }

        StorePath[] Unknown(IEnumerable<StorePath> some) => [.. some.Where(path => !catalog.Has(at, path)).Distinct()];
    }

    /// <summary>
    /// Learns what a builder has made of a job. It may lie: an output refers to nothing but the job's inputs and its other outputs, so what
    /// else it names never gets here, nor to another builder. Where the content is known beforehand, every store that takes it checks it.
    /// </summary>
    /// <param name="at">The builder.</param>
    /// <param name="job">The job, its outputs known by name.</param>
    /// <param name="said">What the builder has said of the outputs; null: it is asked.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="BuilderException">The builder does not have the outputs, or describes what cannot be.</exception>
    public async Task LearnOutputsAsync(BuilderSession at, RunJob job, IReadOnlyDictionary<StorePath, PathInfo>? said, CancellationToken cancellation)
    {
        var outputs = job.NamedOutputs.ToDictionary(output => output.Value, output => output.Key);
        var infos = said ?? await at.AskAsync((daemon, token) => daemon.QueryPathInfosAsync(outputs.Keys, token), cancellation);
        if (outputs.Keys.FirstOrDefault(path => !infos.ContainsKey(path)) is { } missing) throw Lie(at, $"says that it built {job.Name}, but does not have {missing}");
        if (infos.Values.FirstOrDefault(info => info.NarSize == 0) is { } empty) throw Lie(at, $"says that the NAR of {empty.Path} has 0 bytes, which none has");
        var allowed = catalog.ClosureOf(job.Inputs).Select(info => info.Path).Concat(outputs.Keys).ToHashSet();
        foreach (var info in infos.Values)
        {
            if (info.References.FirstOrDefault(path => !allowed.Contains(path)) is { } stranger) throw Lie(at, $"says that {info.Path} refers to {stranger}, which is no input of {job.Name}");
        }
        foreach (var info in infos.Values) catalog.AddMade(info with { ContentAddress = job.Derivation.Outputs[outputs[info.Path]].ContentAddress ?? info.ContentAddress }, at);
        await LearnAsync(at, [.. infos.Values.SelectMany(info => info.References)], cancellation);
    }

    /// <summary>Which of some jobs a builder, which was lost, still has the outputs of; they are learnt, and protected there from now on.</summary>
    public async Task<IReadOnlyList<RunJob>> FindKeptAsync(BuilderSession at, IReadOnlyList<RunJob> jobs, CancellationToken cancellation)
    {
        if (jobs.Count == 0) return [];
        StorePath[] paths = [.. jobs.SelectMany(job => job.Outputs)];
        await at.ProtectAsync(paths, cancellation);
        var valid = await at.AskAsync((daemon, token) => daemon.QueryValidPathsAsync(paths, substitute: false, token), cancellation);
        RunJob[] kept = [.. jobs.Where(job => job.Outputs.All(valid.Contains))];
        foreach (var job in kept)
        {
            if (job.IsWholeGoal) await LearnAsync(at, job.Outputs, cancellation);
            else await LearnOutputsAsync(at, job, null, cancellation);
        }
        // Where others have built it meanwhile and got other bytes, theirs count.
        return [.. kept.Where(job => job.Outputs.All(path => catalog.Has(at, path)))];
    }

    private static BuilderException Lie(BuilderSession builder, string what) =>
        new(builder.Builder.Name, BuilderFailure.Incompatible, $"{builder} {what}.", $"Do not trust {builder} before you know why.");

    /// <summary>
    /// Asks which of the paths a builder has, for the catalog. Takes temp roots before it asks, so that nothing can be collected
    /// in between.
    /// </summary>
    public async Task FindMissingAsync(BuilderSession to, IEnumerable<PathInfo> wanted, CancellationToken cancellation)
    {
        var unknown = wanted.Where(info => !catalog.Has(to, info.Path)).ToArray();
        if (unknown.Length == 0) return;
        var paths = unknown.Select(info => info.Path).ToArray();
        await to.ProtectAsync(paths, cancellation);
        // The local store's substituters have been asked when the run began. Those of a builder may take their time to
        // send what they have, and nobody else's question is to wait for that.
        var valid = to.UsesSubstitutes && !to.Builder.IsLocal
            ? await to.UseAsync(ChannelUse.Build, daemon => daemon.QueryValidPathsAsync(paths, substitute: true, cancellation), cancellation)
            : await to.AskAsync((daemon, token) => daemon.QueryValidPathsAsync(paths, substitute: false, token), cancellation);
        foreach (var info in unknown.Where(info => valid.Contains(info.Path))) catalog.Add(info, to);
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
        catch (NixBuildFarmException e)
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
                try
                {
                    await daemon.AddMultipleToStoreAsync([.. items.Select(Source)], repair: false, dontCheckSignatures: to.Facts.Trusted, cancellation, Added);
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

        NarSource Source((PathInfo Info, BuilderSession From) item) => new(
            item.Info,
            async (nar, stop) =>
            {
                using var watch = new StallWatch(transfers.Time, stop);
                await using var outlet = new TransferStream(nar, transfer, watch, sent);
                try
                {
                    await feeds[item.From].TakeAsync(outlet).WaitAsync(watch.Token);
                }
                catch (OperationCanceledException) when (watch.HasStalled && !stop.IsCancellationRequested)
                {
                    throw new NarSourceException(item.Info.Path, item.From, Stalled(item.From, item.Info.Path));
                }
                catch (NixBuildFarmException e) when (!outlet.HasFailed)
                {
                    var isDamaged = e.InnerException is NarException { Id: NarException.Malformed };
                    throw new NarSourceException(item.Info.Path, item.From, isDamaged ? new DamagedPathException(item.From.Builder.Name, item.Info.Path, e) : e);
                }
            });

        void Added(PathInfo info)
        {
            catalog.Add(info, to);
            arrived(info, sources[info.Path]);
            Release(to, info, transfer);
        }
    }

    private static BuilderException Stalled(BuilderSession from, StorePath path) => new(
        from.Builder.Name,
        BuilderFailure.ConnectionLost,
        $"{from} has sent nothing of {path} for {StallWatch.Limit.TotalMinutes} minutes, although its connection lives.",
        $"See whether the disk of {from} answers, and what its nix-daemon does.");

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
