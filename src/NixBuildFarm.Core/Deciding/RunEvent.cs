using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Store;
using NixBuildFarm.Work;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Something that happened beside the run's loop. The loop applies events one at a time, in the order in which they arrive. Events hold all
/// that decisions depend on: the same events give the same actions.
/// </summary>
internal abstract record RunEvent
{
    private RunEvent()
    {
    }

    /// <summary>When the loop took it: seconds since the run began.</summary>
    public double At { get; init; }

    /// <summary>The run begins. The first event.</summary>
    /// <param name="Connecting">Builders that still connect.</param>
    /// <param name="Quarantined">Builders that failed in an earlier run, and are not connected yet.</param>
    /// <param name="Missing">Builders that could not be connected.</param>
    public sealed record Began(
        IReadOnlyList<NixBuilder> Connecting,
        IReadOnlyList<(NixBuilder Builder, BuilderTrouble Trouble)> Quarantined,
        IReadOnlyList<(NixBuilder Builder, NixBuildFarmException Error)> Missing) : RunEvent;

    /// <summary>More work joins the run.</summary>
    /// <param name="Request">Who wants it: a number that no request of the run has had.</param>
    /// <param name="Items">All that the request wants, what it only needs for that included. Some of it may be known, running or done
    /// already.</param>
    /// <param name="Graph">What of it waits for what, by its place in <paramref name="Items"/>.</param>
    public sealed record WorkAdded(int Request, IReadOnlyList<WorkItem> Items, JobGraph Graph) : RunEvent
    {
        /// <summary>Whether what does not depend on a failed build is built all the same.</summary>
        public bool KeepsGoing { get; init; }

        /// <summary>The user who asks, as a number from 0 on; each user with work has an equal share of the slots.</summary>
        public int User { get; init; }

        /// <summary>Larger goes first among the requests of a user.</summary>
        public int Priority { get; init; }

        /// <summary>What earlier runs have taught of the packages.</summary>
        public IReadOnlyList<BuildObservation> Known { get; init; } = [];
    }

    /// <summary>A derivation that another one has made was read.</summary>
    /// <param name="Job">The job that stands for it.</param>
    /// <param name="Made">The derivation.</param>
    /// <param name="Items">All that has to be done for it. Some of it may be known, running or done already.</param>
    /// <param name="Graph">What of it waits for what, by its place in <paramref name="Items"/>.</param>
    /// <param name="Needs">What of it is needed by whoever uses the derivation's outputs, by its place.</param>
    /// <param name="Outputs">Those outputs that need not be built, by name.</param>
    public sealed record Expanded(
        RunJob Job, StorePath Made, IReadOnlyList<WorkItem> Items, JobGraph Graph, IReadOnlyList<int> Needs,
        IReadOnlyDictionary<string, StorePath> Outputs) : RunEvent
    {
        /// <summary>What earlier runs have taught of the packages.</summary>
        public IReadOnlyList<BuildObservation> Known { get; init; } = [];
    }

    /// <summary>A derivation that another one has made cannot be read.</summary>
    public sealed record ExpandFailed(RunJob Job, NixBuildFarmException Error) : RunEvent;

    /// <summary>Builders are of use for what joins next, that were not before.</summary>
    /// <param name="Connecting">They connect.</param>
    /// <param name="Quarantined">They failed in an earlier run, and are not connected yet.</param>
    public sealed record BuildersFound(
        IReadOnlyList<NixBuilder> Connecting, IReadOnlyList<(NixBuilder Builder, BuilderTrouble Trouble)> Quarantined) : RunEvent;

    /// <summary>A request is called off.</summary>
    public sealed record WorkWithdrawn(int Request) : RunEvent;

    /// <summary>Others have held all slots of an attempt's builder for a while.</summary>
    /// <param name="Attempt">The attempt, whose build cannot begin.</param>
    /// <param name="Holders">Who holds slots there, as far as the builder tells; this run may be among them.</param>
    public sealed record SlotAwaited(Attempt Attempt, IReadOnlyList<string> Holders) : RunEvent;

    /// <summary>Others hold all slots of a builder still, long after that was told.</summary>
    /// <param name="On">The builder.</param>
    /// <param name="Holders">Who holds slots there, and since when, as far as the builder tells.</param>
    public sealed record SlotStillAwaited(RunBuilder On, IReadOnlyList<string> Holders) : RunEvent;

    /// <summary>A slot that was waited for is free, or the builder is lost.</summary>
    public sealed record SlotFree(RunBuilder On) : RunEvent;

    /// <summary>The inputs of an attempt are there, and its build begins.</summary>
    /// <param name="Attempt">The attempt.</param>
    /// <param name="Supplied">Bytes of NARs sent for it.</param>
    /// <param name="LogPath">The file with what it prints; null where none could be made.</param>
    public sealed record BuildBegan(Attempt Attempt, long Supplied, string? LogPath) : RunEvent;

    /// <summary>A build has come to a phase that tells how much of it is left.</summary>
    public sealed record PhaseEntered(Attempt Attempt, TellingPhase Phase) : RunEvent;

    /// <summary>The builder's daemon has reported the result of a build, good or bad.</summary>
    public sealed record BuildEnded(Attempt Attempt, BuildOutcome Outcome) : RunEvent;

    /// <summary>An attempt has no result: its inputs, a connection or a builder failed.</summary>
    /// <param name="Attempt">The attempt.</param>
    /// <param name="Error">What failed.</param>
    /// <param name="IsPathGone">Whether no builder has the path any more that the error names.</param>
    public sealed record AttemptFailed(Attempt Attempt, Exception Error, bool IsPathGone = false) : RunEvent;

    /// <summary>The inputs of a job were prefetched.</summary>
    public sealed record InputsArrived(RunJob Job, int Builder) : RunEvent;

    /// <summary>The outputs of a job have come from a substituter.</summary>
    public sealed record Fetched(RunJob Job, DateTimeOffset Begun) : RunEvent;

    /// <summary>The outputs of a job cannot be fetched.</summary>
    public sealed record FetchFailed(RunJob Job, NixBuildFarmException Error) : RunEvent;

    /// <summary>Outputs are in the local store.</summary>
    public sealed record CameHome(CopyHome Copy, DateTimeOffset Begun, DateTimeOffset Ended) : RunEvent;

    /// <summary>Outputs could not be copied back, or what follows their arrival failed.</summary>
    /// <param name="Copy">The copy.</param>
    /// <param name="Begun">When it began; null: it did not.</param>
    /// <param name="Ended">When the outputs were here; null: they have not come.</param>
    /// <param name="Error">What failed.</param>
    /// <param name="IsPathGone">Whether no builder has the path any more that the error names.</param>
    public sealed record CopyBackFailed(
        CopyHome Copy, DateTimeOffset? Begun, DateTimeOffset? Ended, Exception Error, bool IsPathGone = false) : RunEvent;

    /// <summary>A store has the outputs that it was given.</summary>
    public sealed record Pushed(Push Push) : RunEvent;

    /// <summary>A store has not got the outputs that it was given.</summary>
    public sealed record PushFailed(Push Push, Exception Error) : RunEvent;

    /// <summary>A builder is connected.</summary>
    /// <param name="Connection">Why it was connected.</param>
    /// <param name="On">The builder.</param>
    /// <param name="Kept">Jobs whose outputs it had when it was lost, and still has.</param>
    public sealed record BuilderConnected(PendingConnection Connection, RunBuilder On, IReadOnlyList<RunJob> Kept) : RunEvent;

    /// <summary>A builder cannot be connected.</summary>
    public sealed record ConnectFailed(PendingConnection Connection, NixBuilder Builder, NixBuildFarmException Error) : RunEvent;

    /// <summary>A builder does not answer the heartbeat.</summary>
    public sealed record BuilderSilent(RunBuilder On, BuilderException Error) : RunEvent;

    /// <summary>A builder that an error names was asked whether it lives.</summary>
    /// <param name="On">The builder.</param>
    /// <param name="Error">The error.</param>
    /// <param name="Answers">Whether it answered.</param>
    /// <param name="Cause">The event with that error, which is decided now.</param>
    public sealed record BuilderAnswered(RunBuilder On, BuilderException Error, bool Answers, RunEvent Cause) : RunEvent;

    /// <summary>What a lost builder had is forgotten.</summary>
    /// <param name="On">The builder.</param>
    /// <param name="Error">Why it is lost.</param>
    /// <param name="Had">Jobs that are done, and all of whose outputs it had.</param>
    /// <param name="Lost">Jobs that are done, and whose outputs nobody has now.</param>
    /// <param name="IsGivenUp">Whether it left a question unanswered although its connections lived.</param>
    /// <param name="Cause">The event with that error, which is decided now; null: none.</param>
    public sealed record Disconnected(
        RunBuilder On, BuilderException Error, IReadOnlyList<RunJob> Had, IReadOnlyList<RunJob> Lost, bool IsGivenUp,
        RunEvent? Cause) : RunEvent;

    /// <summary>Paths that only one builder had are forgotten, since it cannot give them.</summary>
    public sealed record SourceDropped(IReadOnlyList<StorePath> Paths, string Reason) : RunEvent;

    /// <summary>The quarantine of a builder that failed several times in a row is over.</summary>
    /// <param name="On">The builder.</param>
    /// <param name="IsAwaited">Whether jobs wait for it.</param>
    public sealed record PauseOver(RunBuilder On, bool IsAwaited) : RunEvent;

    /// <summary>Something has happened to the compiles of a shared build.</summary>
    public sealed record CompilesChanged(LendingEvent Happened) : RunEvent;

    /// <summary>A transfer has shown what a link carries.</summary>
    /// <param name="Builder">The name of the builder.</param>
    /// <param name="Download">Bytes per second that come to it; null where that is not known.</param>
    /// <param name="Upload">Bytes per second that it sends; null where that is not known.</param>
    public sealed record LinkMeasured(string Builder, double? Download, double? Upload) : RunEvent;

    /// <summary>A machine has told what it has now.</summary>
    /// <param name="On">The builder.</param>
    /// <param name="Reading">What; null: it tells nothing more.</param>
    public sealed record MachineRead(RunBuilder On, MachineReading? Reading) : RunEvent;

    /// <summary>Work beside the loop failed in a way that nothing handles; this ends the run.</summary>
    public sealed record Unforeseen(Exception Error) : RunEvent;
}
