namespace NixBuildFarm.Scheduling;

/// <summary>What the run shall do now.</summary>
internal abstract record SchedulingDecision
{
    private SchedulingDecision()
    {
    }

    /// <summary>
    /// Supply what the builder lacks, then build. The slot is taken from now on. Answered by <see cref="SchedulingEvent.JobStarted"/>
    /// when the build begins, then by <see cref="SchedulingEvent.JobFinished"/> or <see cref="SchedulingEvent.JobFailed"/>.
    /// </summary>
    /// <param name="Job">Which job.</param>
    /// <param name="Builder">Where.</param>
    /// <param name="Cores">What the build may use (<c>build-cores</c>).</param>
    /// <param name="Finish">When it should end: seconds since the run began.</param>
    /// <param name="Reason">Why there.</param>
    public sealed record Start(int Job, int Builder, int Cores, double Finish, PlacementReason Reason) : SchedulingDecision;

    /// <summary>
    /// Begin to supply the inputs of a job that will probably start on this builder, outside of its slots. No promise: the job may start
    /// elsewhere after all. Answered by <see cref="SchedulingEvent.InputsArrived"/>.
    /// </summary>
    public sealed record Prefetch(int Job, int Builder) : SchedulingDecision;

    /// <summary>As <see cref="Start"/>, for a job that already runs elsewhere and is late. The first result wins.</summary>
    public sealed record Hedge(int Job, int Builder, int Cores, double Finish) : SchedulingDecision;

    /// <summary>Stop this attempt: its job is done elsewhere. The slot is free already; no event answers it.</summary>
    public sealed record Cancel(int Job, int Builder) : SchedulingDecision;

    /// <summary>The job will not be built, since <paramref name="Cause"/> failed, which it depends on.</summary>
    public sealed record Abandon(int Job, int Cause) : SchedulingDecision;

    /// <summary>
    /// No builder that is left may take the job. Said once, and again after the farm has changed; the job stays ready until a builder joins
    /// or the run resolves it. <see cref="Scheduler.WhyNot"/> tells which condition fails where.
    /// </summary>
    public sealed record NoBuilder(int Job) : SchedulingDecision;
}

/// <summary>Why a job was placed where it was.</summary>
public enum PlacementReason
{
    /// <summary>Of all builders that may take it, it ends here first.</summary>
    EarliestFinish,

    /// <summary>It is small and asks to stay local, or only this builder may take it.</summary>
    OnlyChoice,

    /// <summary>Another builder would be faster, but this one is free and nothing is lost by it.</summary>
    FreeNow,

    /// <summary>No builder that takes builds has the memory that it needs. This one has most, and builds nothing beside it.</summary>
    MostMemory,

    /// <summary>No builder that takes builds has the space that its outputs and inputs need. This one has most.</summary>
    MostSpace,

    /// <summary>The rule of the chosen policy says so (stock Nix, Hydra).</summary>
    Rule,
}
