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
    Supply supply, BuiltOutputs outputs, BuilderSession local, BuildRequest request, string logFolder, RunClock clock, LogKeeper logs)
{
    /// <summary>Prepares builds whose compiles may be done elsewhere.</summary>
    public required SharedBuilds Shared { get; init; }

    /// <summary>How much longer than its limits a build may take before its daemon, which is to end it then, is taken for dead.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    /// <summary>Accepts what builders say of their outputs.</summary>
    public BuiltOutputs Outputs => outputs;

    /// <summary>Carries it out.</summary>
    /// <param name="attempt">What, where, and when to give up.</param>
    /// <param name="begun">Called when the inputs are there and the build begins.</param>
    /// <param name="said">Called with each message of the builder's daemon about this build.</param>
    /// <returns>What the builder said, with the log.</returns>
    /// <exception cref="Errors.BuilderException">The builder is the trouble.</exception>
    /// <exception cref="DaemonException">The builder's daemon refused the inputs or the build.</exception>
    public async Task<BuildOutcome> CarryOutAsync(Attempt attempt, Action begun, Action<DaemonMessage> said)
    {
        var (job, session, cancellation) = (attempt.Job, attempt.Session, attempt.Stopping);
        await using var connection = session.Reserve(ChannelUse.Build, cancellation);
        attempt.Supplied = await SupplyAsync(attempt, cancellation);
        await attempt.MayBegin.WaitAsync(cancellation);
        await using var shared = await ShareAsync(attempt, cancellation);
        // Nobody else may build with what this build sees: settings of a connection cannot be taken back.
        if (shared is not null) connection.IsClosedAfterwards = true;
        // The build keeps its outputs as long as it runs, so nobody needs to wait for these roots before it has ended.
        var rooting = session.ProtectAsync(job.Outputs, cancellation);

        using var log = BuildLog.Open(logFolder, job.Path);
        attempt.LogPath = log.Path;
        attempt.LogProblem = log.Problem;
        var (result, infos) = await connection.UseAsync(async daemon =>
        {
            begun();
            var built = await BuildInTimeAsync(daemon, attempt, OptionsOf(attempt, shared?.Mappings), message => Listen(message, log, said), cancellation);
            await rooting;
            return built;
        });
        attempt.BuildEnded = clock.UtcNow;
        if (shared is not null) attempt.Shared = Sum(attempt, shared);
        log.Dispose();
        attempt.LogProblem = log.Problem;
        if (!session.Builder.IsLocal && log is { Path: { } path, Problem: null }) logs.Keep(job.Path, path);
        var realised = result.IsSuccess
            ? await outputs.AcceptAsync(session, job, result.BuiltOutputs, infos, cancellation)
            : ImmutableDictionary<string, StorePath>.Empty;
        return new(result, realised, log.Path, log.Tail);
    }

    /// <summary>
    /// A builder that trusts us is told what to build, and needs its inputs only. To another one, and where paths are not known before, goes
    /// the derivation itself, with all that it refers to: every daemon builds what is in its store.
    /// </summary>
    private static bool GoesAsDerivation(Attempt attempt) => attempt.Job.Goal is not null || !attempt.Session.Facts.Trusted;

    private async Task<long> SupplyAsync(Attempt attempt, CancellationToken cancellation)
    {
        var (job, session) = (attempt.Job, attempt.Session);
        if (session.Builder.IsLocal || !GoesAsDerivation(attempt)) return await supply.EnsureAsync(session, job.Inputs, attempt.Urgency, cancellation);
        await supply.Closures.DiscoverAsync(local, [job.Path], cancellation);
        return await supply.EnsureAsync(session, [job.Path, .. job.Inputs], attempt.Urgency, cancellation);
    }

    /// <summary>Builds, and does not rely on the daemon alone for the limits of the build.</summary>
    private async Task<(BuildResult Result, IReadOnlyDictionary<StorePath, PathInfo>? Outputs)> BuildInTimeAsync(
        DaemonConnection daemon, Attempt attempt, DaemonOptions options, Action<DaemonMessage> said, CancellationToken cancellation)
    {
        // A whole goal may be several builds, each with the time to itself.
        using var inAll = new SilenceWatch(LimitOf(attempt.Job.Goal is null ? request.Timeout : null), clock.Time, cancellation);
        using var silent = new SilenceWatch(LimitOf(request.MaxSilentTime), clock.Time, inAll.Token);
        using var describing = new SilenceWatch(attempt.Session.AnswerLimit, clock.Time, silent.Token);
        describing.Hold();
        try
        {
            return await BuildAsync(daemon, attempt, options, Hear, BuildEnded, describing.Token);
        }
        catch (OperationCanceledException) when (describing.HasRunOut && !cancellation.IsCancellationRequested)
        {
            throw attempt.Session.GiveUp($"does not say what it has made of {attempt.Job.Name}");
        }
        catch (OperationCanceledException) when ((inAll.HasRunOut || silent.HasRunOut) && !cancellation.IsCancellationRequested)
        {
            throw new NixBuildFarmException(
                "BuildNotEnded", $"The Nix daemon of {attempt.Session} has not ended {attempt.Job.Name}, although its time was up.", $"See what nix-daemon does on {attempt.Session}.");
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
    private async Task<(BuildResult Result, IReadOnlyDictionary<StorePath, PathInfo>? Outputs)> BuildAsync(
        DaemonConnection daemon, Attempt attempt, DaemonOptions options, Action<DaemonMessage> said, Action ended, CancellationToken cancellation)
    {
        var job = attempt.Job;
        if (!attempt.Session.Builder.IsLocal && !GoesAsDerivation(attempt))
        {
            return await daemon.BuildDerivationAsync(
                job.Path, BasicDerivation.From(job.Derivation, job.Inputs), options, [.. job.NamedOutputs.Select(output => output.Value)], said, cancellation, ended);
        }
        await daemon.SetOptionsAsync(options, cancellation);
        var results = await daemon.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(job.Path)], BuildMode.Normal, said, cancellation);
        return (results[0].Result, null);
    }

    private DaemonOptions OptionsOf(Attempt attempt, string? mappings)
    {
        var given = attempt.Session.Options;
        var overrides = given.Overrides;
        if (request.Timeout is { } limit) overrides = new Dictionary<string, string>(overrides) { ["timeout"] = Math.Ceiling(limit.TotalSeconds).ToString(CultureInfo.InvariantCulture) };
        if (mappings is not null)
        {
            // What the user adds to the sandbox stays.
            overrides = new Dictionary<string, string>(overrides) { [SandboxMappings.Setting] = $"{overrides.GetValueOrDefault(SandboxMappings.Setting)} {mappings}".Trim() };
        }
        return given with
        {
            BuildCores = mappings is null ? attempt.Cores : attempt.Share!.Cores,
            // What the local substituters have has been found out before; asking them again for each build costs time.
            UseSubstitutes = attempt.Session.UsesSubstitutes && !attempt.Session.Builder.IsLocal,
            MaxSilentTime = request.MaxSilentTime ?? TimeSpan.Zero,
            Overrides = overrides,
        };
    }

    private async Task<SharedBuildOpened?> ShareAsync(Attempt attempt, CancellationToken cancellation)
    {
        if (attempt.Share is not { } terms) return null;
        var opened = new LendingEvent.BuildOpened(clock.Now, terms.Build, attempt.Job.Index, attempt.Builder, terms.HomePlaces);
        var shared = await Shared.OpenAsync(opened, attempt.Session, attempt.Job, cancellation);
        if (shared is not null) attempt.Compiles = () => shared.Exchange.Tally.UnderWay;
        return shared;
    }

    private static SharedCompiles? Sum(Attempt attempt, SharedBuildOpened shared) =>
        shared.Exchange.Tally.Sum(attempt.Share!.HomePlaces, _ => 1);

    private static void Listen(DaemonMessage message, BuildLog log, Action<DaemonMessage> said)
    {
        if (message is BuildLogLine line) log.Add(line);
        said(message);
    }
}
