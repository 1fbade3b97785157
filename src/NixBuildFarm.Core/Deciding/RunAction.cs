using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Sessions;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Deciding;

/// <summary>Something that the run has decided to do. The run's effects carry it out, and answer with events.</summary>
internal abstract record RunAction
{
    private RunAction()
    {
    }

    /// <summary>Supply the inputs, and build. Answers: BuildBegan, BuildEnded or AttemptFailed, and AttemptReleased.</summary>
    public sealed record StartBuild(Attempt Attempt) : RunAction;

    /// <summary>End an attempt that was called off. Answer: AttemptReleased.</summary>
    public sealed record StopBuild(Attempt Attempt) : RunAction;

    /// <summary>Send inputs before there is a slot. Answer: InputsArrived, or none.</summary>
    public sealed record Prefetch(RunJob Job, BuilderSession Session, int Builder, Urgency Urgency) : RunAction;

    /// <summary>Have the local store fetch outputs from its substituters. Answers: Fetched or FetchFailed.</summary>
    public sealed record Fetch(RunJob Job) : RunAction;

    /// <summary>Copy outputs to the local store. Answers: CameHome or CopyBackFailed.</summary>
    public sealed record BringHome(CopyHome Copy) : RunAction;

    /// <summary>Connect a builder after a while. Answers: BuilderConnected or ConnectFailed.</summary>
    public sealed record Connect(NixBuilder Builder, TimeSpan After, PendingConnection Connection) : RunAction;

    /// <summary>Connect now the builders that are quarantined since an earlier run.</summary>
    public sealed record WakeQuarantined : RunAction;

    /// <summary>Ask a builder now and then whether it lives. Answer: BuilderSilent, when it does not.</summary>
    public sealed record Watch(BuilderSession Session) : RunAction;

    /// <summary>Ask a builder that an error names whether it lives. Answer: BuilderAnswered.</summary>
    public sealed record Probe(BuilderSession Session, BuilderException Error, RunEvent Cause) : RunAction;

    /// <summary>Close the session of a builder that was lost.</summary>
    public sealed record Disconnect(BuilderSession Session) : RunAction;

    /// <summary>Tell when the quarantine of a builder is over. Answer: PauseOver.</summary>
    public sealed record Pause(BuilderSession Session, TimeSpan Time, bool IsAwaited) : RunAction;

    /// <summary>Bring a helper what the compiles of a build need. Answers: HelperReady or HelperUnfit, as CompilesChanged.</summary>
    public sealed record PrepareHelper(long Build, BuilderSession Session, int Helper) : RunAction;

    /// <summary>Have a compile done on the builder of its build: as a derivation there, within a time, or, where that is null, in the build itself.</summary>
    public sealed record CompileHere(long Compile, BuilderSession? Home, TimeSpan Limit) : RunAction;

    /// <summary>Have a compile done by a helper, within a time. Answer: LoanEnded, as CompilesChanged.</summary>
    public sealed record Lend(long Compile, BuilderSession Session, int Helper, TimeSpan Limit) : RunAction;

    /// <summary>Stop a compile on a helper.</summary>
    public sealed record Recall(long Compile) : RunAction;

    /// <summary>End everything that goes on.</summary>
    public sealed record StopRun : RunAction;
}
