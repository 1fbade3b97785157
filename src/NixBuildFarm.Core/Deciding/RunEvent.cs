using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.Deciding;

/// <summary>Something that happened beside the run's loop. The loop applies events one at a time, in the order in which they arrive.</summary>
internal abstract record RunEvent
{
    private RunEvent()
    {
    }

    /// <summary>The inputs of an attempt are there, and its build begins.</summary>
    public sealed record BuildBegan(Attempt Attempt) : RunEvent;

    /// <summary>The builder's daemon has reported the result of a build, good or bad.</summary>
    public sealed record BuildEnded(Attempt Attempt, BuildOutcome Outcome) : RunEvent;

    /// <summary>An attempt has no result: its inputs, a connection or a builder failed.</summary>
    public sealed record AttemptFailed(Attempt Attempt, Exception Error) : RunEvent;

    /// <summary>Nothing of an attempt runs any more. Follows its end, and is all that follows when it was called off.</summary>
    public sealed record AttemptReleased(Attempt Attempt) : RunEvent;

    /// <summary>The inputs of a job were prefetched.</summary>
    public sealed record InputsArrived(RunJob Job, int Builder) : RunEvent;

    /// <summary>The outputs of a job have come from a substituter.</summary>
    public sealed record Fetched(RunJob Job, DateTimeOffset Begun) : RunEvent;

    /// <summary>The outputs of a job cannot be fetched.</summary>
    public sealed record FetchFailed(RunJob Job, NixBuildFarmException Error) : RunEvent;

    /// <summary>Outputs are in the local store.</summary>
    public sealed record CameHome(CopyHome Copy, DateTimeOffset Begun, DateTimeOffset Ended) : RunEvent;

    /// <summary>Outputs could not be copied back, or what follows their arrival failed.</summary>
    public sealed record CopyBackFailed(CopyHome Copy, DateTimeOffset? Begun, DateTimeOffset? Ended, Exception Error) : RunEvent;

    /// <summary>A builder is connected.</summary>
    /// <param name="Connection">Why it was connected.</param>
    /// <param name="Session">The session.</param>
    /// <param name="Kept">Jobs whose outputs it had when it was lost, and still has.</param>
    public sealed record BuilderConnected(PendingConnection Connection, BuilderSession Session, IReadOnlyList<RunJob> Kept) : RunEvent;

    /// <summary>A builder cannot be connected.</summary>
    public sealed record ConnectFailed(PendingConnection Connection, NixBuilder Builder, NixBuildFarmException Error) : RunEvent;

    /// <summary>A builder does not answer the heartbeat.</summary>
    public sealed record BuilderSilent(BuilderSession Session, BuilderException Error) : RunEvent;

    /// <summary>A builder that an error names was asked whether it lives.</summary>
    /// <param name="Session">The builder.</param>
    /// <param name="Error">The error.</param>
    /// <param name="Answers">Whether it answered.</param>
    /// <param name="Cause">The event with that error, which is decided now.</param>
    public sealed record BuilderAnswered(BuilderSession Session, BuilderException Error, bool Answers, RunEvent Cause) : RunEvent;

    /// <summary>The quarantine of a builder that failed several times in a row is over.</summary>
    /// <param name="Session">The builder.</param>
    /// <param name="IsAwaited">Whether jobs wait for it.</param>
    public sealed record PauseOver(BuilderSession Session, bool IsAwaited) : RunEvent;

    /// <summary>Something has happened to the compiles of a shared build.</summary>
    public sealed record CompilesChanged(LendingEvent Happened) : RunEvent;

    /// <summary>A transfer has shown what a link carries.</summary>
    public sealed record LinkMeasured(TransferObservation Transfer) : RunEvent;

    /// <summary>Work beside the loop failed in a way that nothing handles; this ends the run.</summary>
    public sealed record Unforeseen(Exception Error) : RunEvent;
}
