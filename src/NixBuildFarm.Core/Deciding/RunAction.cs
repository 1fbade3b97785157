using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Something that the run has decided to do. Actions are carried out in order. What takes time is answered by an event when it has ended;
/// what is answered "at once" is answered before the next action is carried out.
/// </summary>
internal abstract record RunAction
{
    private RunAction()
    {
    }

    /// <summary>Supply the inputs, and build. Answers: BuildBegan, then BuildEnded or AttemptFailed.</summary>
    public sealed record StartBuild(Attempt Attempt) : RunAction;

    /// <summary>End an attempt that was called off. No answer.</summary>
    public sealed record StopBuild(Attempt Attempt) : RunAction;

    /// <summary>Send inputs before there is a slot. Answer: InputsArrived, or none.</summary>
    public sealed record Prefetch(RunJob Job, RunBuilder On, int Builder, Urgency Urgency) : RunAction;

    /// <summary>Have the local store fetch outputs from its substituters. Answers: Fetched or FetchFailed.</summary>
    public sealed record Fetch(RunJob Job) : RunAction;

    /// <summary>Read a derivation that another one has made, and find out what it needs. Answers: Expanded or ExpandFailed.</summary>
    /// <param name="Job">The job that stands for it.</param>
    /// <param name="Made">Its <c>.drv</c> file, which the local store has.</param>
    public sealed record Expand(RunJob Job, StorePath Made) : RunAction;

    /// <summary>Copy outputs to the local store. Answers: CameHome or CopyBackFailed.</summary>
    public sealed record BringHome(CopyHome Copy) : RunAction;

    /// <summary>Put outputs into a store that wants them, after a while. Answers: Pushed or PushFailed.</summary>
    public sealed record Push(Deciding.Push Outputs, TimeSpan After) : RunAction;

    /// <summary>Connect a builder after a while. Answers: BuilderConnected or ConnectFailed.</summary>
    public sealed record Connect(NixBuilder Builder, TimeSpan After, PendingConnection Connection) : RunAction;

    /// <summary>Wait for a builder that began to connect before the run. Answers: BuilderConnected or ConnectFailed.</summary>
    public sealed record Await(NixBuilder Builder, PendingConnection Connection) : RunAction;

    /// <summary>Wait until others leave a slot of a builder to this run. Answer: SlotFree.</summary>
    public sealed record AwaitSlot(RunBuilder On) : RunAction;

    /// <summary>Connect now the builders that are quarantined since an earlier run.</summary>
    public sealed record WakeQuarantined : RunAction;

    /// <summary>Ask a builder now and then whether it lives. Answer: BuilderSilent, when it does not.</summary>
    public sealed record Watch(RunBuilder On) : RunAction;

    /// <summary>Ask a builder that an error names whether it lives. Answer: BuilderAnswered.</summary>
    public sealed record Probe(RunBuilder On, BuilderException Error, RunEvent Cause) : RunAction;

    /// <summary>Forget what a lost builder has, and close its session. Answer, at once: Disconnected.</summary>
    /// <param name="On">The builder.</param>
    /// <param name="Error">Why it counts as lost.</param>
    /// <param name="Done">The jobs that are done: which of them did it have, and whose outputs does nobody have now?</param>
    /// <param name="Cause">The event with that error, which is decided then; null: none.</param>
    public sealed record Disconnect(RunBuilder On, BuilderException Error, IReadOnlyList<RunJob> Done, RunEvent? Cause) : RunAction;

    /// <summary>Forget that a builder has these paths: it cannot give them. No answer.</summary>
    public sealed record DropPaths(RunBuilder On, IReadOnlyList<StorePath> Paths) : RunAction;

    /// <summary>Forget those inputs of a job that only this builder has: it cannot give them. Answer, at once: SourceDropped.</summary>
    public sealed record DropSource(RunBuilder On, RunJob Needs, string Reason) : RunAction;

    /// <summary>Tell when the quarantine of a builder is over. Answer: PauseOver.</summary>
    public sealed record Pause(RunBuilder On, TimeSpan Time, bool IsAwaited) : RunAction;

    /// <summary>A request has joined, or more for it. No answer.</summary>
    /// <param name="Request">The request.</param>
    /// <param name="Jobs">The jobs of the run that it wants now; it may want some of them already.</param>
    public sealed record Joined(int Request, IReadOnlyList<RunJob> Jobs) : RunAction;

    /// <summary>All that a request wants has ended, or it was called off. No answer.</summary>
    public sealed record RequestEnded(int Request) : RunAction;

    /// <summary>Let a build begin that was held up, as soon as its inputs are there. No answer of its own.</summary>
    public sealed record LetBegin(Attempt Attempt) : RunAction;

    /// <summary>Bring a helper what the compiles of a build need. Answers: HelperReady or HelperUnfit, as CompilesChanged.</summary>
    public sealed record PrepareHelper(long Build, RunBuilder On, int Helper) : RunAction;

    /// <summary>
    /// Have a compile done on the builder of its build: as a derivation there, within a time, or, where that is null, in the build itself.
    /// </summary>
    public sealed record CompileHere(long Compile, RunBuilder? Home, TimeSpan Limit) : RunAction;

    /// <summary>Have a compile done by a helper, within a time. Answer: LoanEnded, as CompilesChanged.</summary>
    public sealed record Lend(long Compile, RunBuilder On, int Helper, TimeSpan Limit) : RunAction;

    /// <summary>Stop a compile on a helper. No answer.</summary>
    public sealed record Recall(long Compile) : RunAction;

    /// <summary>Tell the user. No answer.</summary>
    public sealed record Tell(RunNews News) : RunAction;

    /// <summary>Tell the user where the run stands. No answer.</summary>
    /// <param name="Running">What is under way.</param>
    /// <param name="Progress">The rest.</param>
    public sealed record TellProgress(IReadOnlyList<Attempt> Running, RunProgress Progress) : RunAction;

    /// <summary>Keep for later runs how long a build took. No answer.</summary>
    public sealed record KeepBuild(BuildObservation Build) : RunAction;

    /// <summary>Keep for later runs that a builder has failed, or is healthy again. No answer.</summary>
    public sealed record KeepTrouble(BuilderTrouble Trouble) : RunAction;

    /// <summary>End everything that goes on. No answer.</summary>
    public sealed record StopRun : RunAction;
}
