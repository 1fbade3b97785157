namespace NixBuildFarm.Scheduling;

/// <summary>How a build has failed.</summary>
internal enum FailureKind
{
    /// <summary>The derivation does not build, here or elsewhere. What depends on it is abandoned.</summary>
    Permanent,

    /// <summary>Nobody's fault; try again anywhere, this builder included.</summary>
    Retry,

    /// <summary>The builder's fault (disk full, out of memory, killed); try again, but not there.</summary>
    RetryElsewhere,
}

/// <summary>What became of a job without a build of ours.</summary>
internal enum ExternalOutcome
{
    /// <summary>Its outputs exist: valid already, substituted, or built by somebody else.</summary>
    Available,

    /// <summary>It shall not be built. What depends on it is abandoned.</summary>
    Cancelled,
}

/// <summary>Something that has happened in the run. The scheduler knows nothing else of the world.</summary>
/// <param name="At">When: seconds since the run began. Never before the event applied last.</param>
internal abstract record SchedulingEvent(double At)
{
    /// <summary>The build itself has begun: its inputs are there.</summary>
    public sealed record JobStarted(double At, int Job, int Builder) : SchedulingEvent(At);

    /// <summary>A build has succeeded. Its outputs are on its builder.</summary>
    /// <param name="At">When.</param>
    /// <param name="Job">Which job.</param>
    /// <param name="Builder">Where.</param>
    /// <param name="OutputBytes">Size of its outputs.</param>
    public sealed record JobFinished(double At, int Job, int Builder, long OutputBytes) : SchedulingEvent(At);

    /// <summary>A build, or the supply of its inputs, has failed.</summary>
    public sealed record JobFailed(double At, int Job, int Builder, FailureKind Kind) : SchedulingEvent(At);

    /// <summary>The run knows that a builder cannot build a job, and why: too little memory, say. The job is not given to it.</summary>
    public sealed record JobExcluded(double At, int Job, int Builder) : SchedulingEvent(At);

    /// <summary>A finished job must be done again: its outputs are nowhere any more.</summary>
    public sealed record OutputsLost(double At, int Job) : SchedulingEvent(At);

    /// <summary>A job that is not running was settled without a build.</summary>
    /// <param name="At">When.</param>
    /// <param name="Job">Which job.</param>
    /// <param name="Outcome">How.</param>
    /// <param name="Builder">Who has its outputs; null: the local machine.</param>
    public sealed record JobResolved(double At, int Job, ExternalOutcome Outcome, int? Builder = null) : SchedulingEvent(At);

    /// <summary>The outputs of a finished job have come to one more builder, usually the local one.</summary>
    public sealed record OutputsArrived(double At, int Job, int Builder) : SchedulingEvent(At);

    /// <summary>All inputs of a job that was prepared or started are at the builder.</summary>
    public sealed record InputsArrived(double At, int Job, int Builder) : SchedulingEvent(At);

    /// <summary>
    /// A builder takes part: a new one, which gets the next index, or one that was lost or drained and has the same name. Its description
    /// replaces the former one.
    /// </summary>
    public sealed record BuilderJoined(double At, FarmBuilder Description) : SchedulingEvent(At);

    /// <summary>
    /// A builder is gone. Its running jobs go back to the queue; what was only there is for the run to tell by <see cref="OutputsLost"/>
    /// (see <see cref="Scheduler.OutputsOnlyOn"/>).
    /// </summary>
    public sealed record BuilderLost(double At, int Builder) : SchedulingEvent(At);

    /// <summary>A builder ends what it does and takes nothing new.</summary>
    public sealed record BuilderDrained(double At, int Builder) : SchedulingEvent(At);

    /// <summary>Whether more builders are about to join. Until that is over, a job that fits the memory of no builder waits.</summary>
    public sealed record BuildersExpected(double At, bool AreExpected) : SchedulingEvent(At);

    /// <summary>
    /// A builder takes no new build until it is released: it is busy with something else, short of space, or left to its owner. What runs
    /// there goes on. Nothing follows for one that is lost: word of its load may come late. One that joins again is not held.
    /// </summary>
    public sealed record BuilderHeld(double At, int Builder, bool IsHeld) : SchedulingEvent(At);

    /// <summary>
    /// What builds may still write on a builder, what runs there included; null: nobody knows, and it does not count. Nothing follows for
    /// one that is lost.
    /// </summary>
    /// <param name="At">When.</param>
    /// <param name="Builder">Which builder.</param>
    /// <param name="FreeSpace">Bytes.</param>
    public sealed record SpaceTold(double At, int Builder, long? FreeSpace) : SchedulingEvent(At);

    /// <summary>
    /// A builder that takes part has other slots, cores, speeds, bandwidths or policy than before. Running jobs stay, also where they are
    /// more than the new number of slots.
    /// </summary>
    public sealed record BuilderChanged(double At, int Builder, FarmBuilder Description) : SchedulingEvent(At);

    /// <summary>
    /// More work joins. The jobs get the next indexes; they may depend on each other and on jobs that are there, whatever these are at.
    /// </summary>
    /// <param name="At">When.</param>
    /// <param name="Jobs">The jobs; their dependencies are indexes of the graph with them.</param>
    /// <param name="Estimates">What is believed of each.</param>
    /// <param name="Requested">Jobs that were there before, and that somebody asks for now.</param>
    public sealed record WorkAdded(
        double At, IReadOnlyList<Job> Jobs, IReadOnlyList<Estimate> Estimates, IReadOnlyList<int> Requested) : SchedulingEvent(At);

    /// <summary>It has turned out that jobs which still wait for another one need more than that.</summary>
    /// <param name="At">When.</param>
    /// <param name="Jobs">The jobs that wait.</param>
    /// <param name="Needs">What each of them needs as well; none of it waits for them.</param>
    public sealed record NeedsFound(double At, IReadOnlyList<int> Jobs, IReadOnlyList<int> Needs) : SchedulingEvent(At);

    /// <summary>Nobody wants these jobs any more. Those that run are to be called off; those that have ended stay as they are.</summary>
    /// <param name="At">When.</param>
    /// <param name="Jobs">The jobs. Whatever depends on one of them is among them, or has ended.</param>
    /// <param name="NotRequested">Jobs that nobody asks for any more, though something that somebody wants may need them.</param>
    public sealed record WorkWithdrawn(double At, IReadOnlyList<int> Jobs, IReadOnlyList<int> NotRequested) : SchedulingEvent(At);

    /// <summary>Other users than before want jobs, or want them more or less.</summary>
    public sealed record ClaimsChanged(double At, IReadOnlyList<Claim> Claims) : SchedulingEvent(At);

    /// <summary>More is known of a job that has not finished.</summary>
    public sealed record EstimateChanged(double At, int Job, Estimate Estimate) : SchedulingEvent(At);
}

/// <summary>Who wants a job.</summary>
/// <param name="Job">The job.</param>
/// <param name="Users">The users, as numbers from 0 on.</param>
/// <param name="Priority">Larger goes first among the jobs of a user.</param>
internal sealed record Claim(int Job, IReadOnlyList<int> Users, int Priority);
