using System.Collections.Immutable;
using System.Globalization;
using NixBuildFarm.Compiling;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.FollowUp;
using NixBuildFarm.History;
using NixBuildFarm.Logs;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Sessions;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Supplying;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Running;

/// <summary>Carries out one attempt: brings the inputs to the builder, builds, and learns what came out.</summary>
internal sealed class BuildExecutor(
    Supply supply, BuiltOutputs outputs, BuilderSession local, BuildRequest request, string? logFolder, RunClock clock, LogKeeper logs)
{
    /// <summary>How much longer than its limits a build may take before its daemon, which is to end it then, is taken for dead.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    /// <summary>The time of the run.</summary>
    public RunClock Clock => clock;

    /// <summary>Where the log of a build goes, where one folder does not take all.</summary>
    public Func<Attempt, string> LogFolderOf { get; init; } = static _ => throw new InvalidOperationException("The logs have no folder.");

    /// <summary>Accepts what builders say of their outputs.</summary>
    public BuiltOutputs Outputs => outputs;

    /// <summary>Who takes slots of builders, as others see it.</summary>
    public required string Holder { get; init; }

    /// <summary>Prepares builds whose compiles may be done elsewhere.</summary>
    public required SharedBuilds Shared { get; init; }

    /// <summary>Carries it out.</summary>
    /// <param name="attempt">What.</param>
    /// <param name="session">Where.</param>
    /// <param name="mayBegin">Ends when the build may begin, its inputs apart.</param>
    /// <param name="awaitsSlot">Called when others have held all slots of the builder for so long that the build may go elsewhere.</param>
    /// <param name="begun">Called when the inputs are there and the build begins, with the bytes that were sent and the log's file.</param>
    /// <param name="said">Called with each message of the builder's daemon about this build.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>What the builder said, with the log.</returns>
    /// <exception cref="Errors.BuilderException">The builder has failed, or is lost.</exception>
    /// <exception cref="DaemonException">The builder's daemon refused the inputs or the build.</exception>
    public async Task<BuildOutcome> CarryOutAsync(
        Attempt attempt, BuilderSession session, Task mayBegin, Action awaitsSlot, Action<long, string?> begun,
        Action<DaemonMessage> said, CancellationToken cancellation)
    {
        var job = attempt.Job;
        if (await FindAtHomeAsync(job, cancellation) is { } earlier) return earlier;
        var derivation = GoesAsDerivation(session)
            ? null
            : BasicDerivation.From(await job.ReadDerivationToBuildAsync(cancellation), job.Inputs);
        using var slot = new SlotTurn(session.Slots, Holder, clock);
        await using var connection = session.Reserve(ChannelUse.Build, cancellation);
        var supplying = PrepareAsync(attempt, session, mayBegin, cancellation);
        await slot.KeepDuringAsync(supplying, cancellation);
        var supplied = await supplying;
        await slot.TakeAsync(awaitsSlot, cancellation);
        await using var shared = await ShareAsync(attempt, session, cancellation);
        // Nobody else may build with what this build sees: settings of a connection cannot be taken back.
        if (shared is not null) connection.IsClosedAfterwards = true;
        // The build keeps its outputs as long as it runs, and so does its daemon as long as the connection is open, so that hardly anybody
        // needs to wait for these roots: over a distant connection a slot would be idle meanwhile.
        var rooting = session.ProtectAsync(job.Outputs, cancellation);
        _ = rooting.ContinueWith(static failed => _ = failed.Exception, TaskScheduler.Default);

        using var log = BuildLog.Open(logFolder ?? LogFolderOf(attempt), job.Path);
        var heard = new HeardOfBuild();
        var (result, infos) = await connection.UseAsync(async daemon =>
        {
            begun(supplied, log.Path);
            try
            {
                var options = OptionsOf(attempt, session, shared?.Mappings);
                var built = await BuildInTimeAsync(
                    daemon, attempt, derivation, session, options, message => Listen(message, log, heard, said), cancellation);
                if (!connection.KeepsRoots) await rooting;
                return built;
            }
            catch (DaemonException)
            {
                // A daemon that cannot read a derivation, since a feature is off, says so and hangs up.
                connection.IsClosedAfterwards = true;
                throw;
            }
        });
        var ended = clock.UtcNow;
        slot.PassOn();
        log.Dispose();
        if (!session.Builder.IsLocal && log is { Path: { } path, Problem: null }) KeepLog(job, path);
        var kept = !result.IsSuccess && request.KeepFailed && heard.Folder is { } folder
            ? await KeptFolders.BringAsync(session, folder, log.Path, clock.Time, cancellation)
            : null;
        var realised = result.IsSuccess
            ? await outputs.AcceptAsync(session, job, result.BuiltOutputs, infos, cancellation)
            : ImmutableDictionary<string, StorePath>.Empty;
        if (result.IsSuccess && session.Builder.IsLocal)
        {
            await BuiltOutputs.RegisterAsync(local, job, attempt.Resolved, realised, cancellation);
        }
        return new(result, realised, log.Path, log.Tail)
        {
            Ended = ended,
            OutputBytes = outputs.BytesOf(realised.Values),
            LogProblem = log.Problem,
            ProcessorTime = result.ProcessorTime,
            Shared = SharedOf(attempt, shared),
            Phase = result.IsSuccess ? null : heard.Phase,
            Kept = kept,
        };
    }

    /// <summary>
    /// Another derivation may have come to the same, now that the paths of the inputs are known. What is built again is not looked for: it
    /// may be damaged.
    /// </summary>
    private async Task<BuildOutcome?> FindAtHomeAsync(RunJob job, CancellationToken cancellation)
    {
        if (job.Last is not null) return null;
        if (await outputs.FindAtHomeAsync(local, job, cancellation) is not { } known) return null;
        await BuiltOutputs.RegisterAsync(local, job, job.Resolved, known, cancellation);
        return new(new() { Status = BuildStatus.ResolvesToAlreadyValid, BuiltOutputs = known }, known, LogPath: null, LogTail: [])
        {
            Ended = clock.UtcNow,
            OutputBytes = outputs.BytesOf(known.Values),
            WasAtHome = true,
        };
    }

    /// <summary>
    /// A builder that trusts us is told what to build, and needs its inputs only. To another one, and to the local store, which looks up
    /// what it has built by it, goes the derivation itself, with all that it refers to: every daemon builds what is in its store.
    /// </summary>
    private static bool GoesAsDerivation(BuilderSession session) => session.Builder.IsLocal || !session.Facts.Trusted;

    private async Task<long> PrepareAsync(Attempt attempt, BuilderSession session, Task mayBegin, CancellationToken cancellation)
    {
        var supplied = await SupplyAsync(attempt, session, cancellation);
        await mayBegin.WaitAsync(cancellation);
        return supplied;
    }

    private async Task<long> SupplyAsync(Attempt attempt, BuilderSession session, CancellationToken cancellation)
    {
        var job = attempt.Job;
        var needed = job.Inputs;
        if (job.Resolved is null && !session.Builder.IsLocal && GoesAsDerivation(session))
        {
            await supply.Closures.DiscoverAsync(local, [job.Path], cancellation);
            needed = [job.Path, .. needed];
        }
        var supplied = await supply.EnsureAsync(session, needed, attempt.Urgency, cancellation, job.Path);
        if (job.Resolved is { } resolved && GoesAsDerivation(session)) await SendAsync(session, resolved.ToFile(), cancellation);
        return supplied;
    }

    /// <summary>Puts a derivation into a store, which refuses one whose inputs it does not have.</summary>
    private static async Task SendAsync(BuilderSession session, DerivationFile file, CancellationToken cancellation)
    {
        await session.ProtectAsync([file.Info.Path], cancellation);
        await session.AskAsync(
            (daemon, token) => daemon.AddToStoreNarAsync(new(file.Info, file.WriteNarAsync), dontCheckSignatures: false, token),
            cancellation);
    }

    /// <summary>Nix looks for the log of an output by what it was built from, which is what the derivation was resolved to.</summary>
    private void KeepLog(RunJob job, string path)
    {
        logs.Keep(job.Path, path);
        if (job.Resolved is { } resolved && resolved.Path != job.Path) logs.Keep(resolved.Path, path);
    }

    /// <summary>Builds, and does not rely on the daemon alone for the limits of the build.</summary>
    private async Task<(BuildResult Result, IReadOnlyDictionary<StorePath, PathInfo>? Outputs)> BuildInTimeAsync(
        DaemonConnection daemon, Attempt attempt, BasicDerivation? derivation, BuilderSession session, DaemonOptions options,
        Action<DaemonMessage> said, CancellationToken cancellation)
    {
        using var inAll = new SilenceWatch(LimitOf(TimeoutOf(attempt)), clock.Time, cancellation);
        using var silent = new SilenceWatch(LimitOf(SilenceOf(attempt)), clock.Time, inAll.Token);
        using var describing = new SilenceWatch(session.AnswerLimit, clock.Time, silent.Token);
        describing.Hold();
        try
        {
            return await BuildAsync(daemon, attempt.Job, derivation, options, Hear, BuildEnded, describing.Token);
        }
        catch (OperationCanceledException) when (describing.HasRunOut && !cancellation.IsCancellationRequested)
        {
            throw session.GiveUp($"does not say what it has made of {attempt.Job.Name}");
        }
        catch (OperationCanceledException) when ((inAll.HasRunOut || silent.HasRunOut) && !cancellation.IsCancellationRequested)
        {
            throw new NixBuildFarmException(
                "BuildNotEnded", $"The Nix daemon of {session} has not ended {attempt.Job.Name}, although its time was up.",
                $"See what nix-daemon does on {session}.");
        }

        static TimeSpan LimitOf(TimeSpan? limit) => limit is { } given ? given + Grace : System.Threading.Timeout.InfiniteTimeSpan;

        void BuildEnded()
        {
            inAll.Hold();
            silent.Hold();
            describing.Resume();
        }

        void Hear(DaemonMessage message)
        {
            silent.Resume();
            said(message);
        }
    }

    /// <summary>Builds. Where that takes no further round trip, the outputs are described as well.</summary>
    private static async Task<(BuildResult Result, IReadOnlyDictionary<StorePath, PathInfo>? Outputs)> BuildAsync(
        DaemonConnection daemon, RunJob job, BasicDerivation? derivation, DaemonOptions options, Action<DaemonMessage> said, Action ended,
        CancellationToken cancellation)
    {
        var path = job.Resolved?.Path ?? job.Path;
        if (derivation is not null)
        {
            return await daemon.BuildDerivationAsync(
                path, derivation, options,
                [.. job.NamedOutputs.Select(output => output.Value)], said, cancellation, ended);
        }
        await daemon.SetOptionsAsync(options, cancellation);
        var results = await daemon.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(path)], BuildMode.Normal, said, cancellation);
        return (results[0].Result, null);
    }

    private TimeSpan? TimeoutOf(Attempt attempt) => attempt.Job.Limits.Timeout ?? request.Timeout;

    private TimeSpan? SilenceOf(Attempt attempt) => attempt.Job.Limits.MaxSilentTime ?? request.MaxSilentTime;

    private DaemonOptions OptionsOf(Attempt attempt, BuilderSession session, string? mappings)
    {
        var overrides = new Dictionary<string, string>(session.Options.Overrides);
        if (TimeoutOf(attempt) is { } limit) overrides["timeout"] = Math.Ceiling(limit.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        // What the user adds to the sandbox stays.
        if (mappings is not null)
        {
            overrides[SandboxMappings.Setting] = $"{overrides.GetValueOrDefault(SandboxMappings.Setting)} {mappings}".Trim();
        }
        return session.Options with
        {
            BuildCores = mappings is null ? attempt.Cores : attempt.Share!.Cores,
            // What the local substituters have has been found out before; asking them again for each build costs time.
            UseSubstitutes = session.UsesSubstitutes && !session.Builder.IsLocal,
            MaxSilentTime = SilenceOf(attempt) ?? TimeSpan.Zero,
            // Who has not asked for it here would not look for it on another machine, or delete it there.
            KeepFailed = request.KeepFailed || (attempt.Job.Limits.KeepFailed && session.Builder.IsLocal),
            // The same object as long as nothing differs: then it is not sent again.
            Overrides = mappings is null && TimeoutOf(attempt) is null ? session.Options.Overrides : overrides,
        };
    }

    private async Task<SharedBuildOpened?> ShareAsync(Attempt attempt, BuilderSession session, CancellationToken cancellation)
    {
        if (attempt.Share is not { } terms) return null;
        var begun = clock.UtcNow;
        var opened = new LendingEvent.BuildOpened(
            clock.Now, terms.Build, attempt.Job.Index, attempt.Builder, terms.HomePlaces, terms.Cores);
        return await Shared.OpenAsync(opened, session, attempt.Job, cancellation) is { } shared
            ? shared with { Preparation = clock.UtcNow - begun }
            : null;
    }

    /// <summary>
    /// What became of its compiles; of one that has no compiler that could be shared: that there were none; null: it was not to be shared.
    /// </summary>
    private SharedCompiles? SharedOf(Attempt attempt, SharedBuildOpened? shared)
    {
        if (attempt.Share is null) return null;
        if (shared is null) return Shared.HasCompiler(attempt.Job) ? null : new();
        shared.Exchange.Tally.EndAllAtHome(clock.UtcNow);
        return shared.Exchange.Tally.Sum() with { Preparation = shared.Preparation };
    }

    private static void Listen(DaemonMessage message, BuildLog log, HeardOfBuild heard, Action<DaemonMessage> said)
    {
        if (message is BuildLogLine line) log.Add(line);
        heard.Hear(message);
        said(message);
    }
}
