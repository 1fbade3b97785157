using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Sessions;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Deciding;

/// <summary>One try at a derivation on one builder, from the supply of its inputs to its result.</summary>
internal sealed class Attempt(RunJob job, BuilderSession session, int builder, int cores, DateTimeOffset begun, CancellationToken run) : IDisposable
{
    private readonly CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(run);
    private readonly TaskCompletionSource mayBegin = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool isDisposed;

    /// <summary>What is built.</summary>
    public RunJob Job { get; } = job;

    /// <summary>Where.</summary>
    public BuilderSession Session { get; } = session;

    /// <summary>The scheduler's index of the builder.</summary>
    public int Builder { get; } = builder;

    /// <summary>How far it is.</summary>
    public AttemptStep Step { get; set; }

    /// <summary>Whether it is under way.</summary>
    public bool IsRunning => Step is AttemptStep.Supplying or AttemptStep.Building;

    /// <summary>The cores that the build may use; 0: all of the machine.</summary>
    public int Cores { get; } = cores;

    /// <summary>The cores that the scheduler counts it with; those that it may use, where that is a number.</summary>
    public required int CountedCores { get; init; }

    /// <summary>How its compiles are shared; null: they are not.</summary>
    public ShareTerms? Share { get; init; }

    /// <summary>Ends when the build may begin: what its slot has lent to compiles of others is back.</summary>
    public Task MayBegin => mayBegin.Task;

    /// <summary>What its compiles are doing; null: nothing of it is shared.</summary>
    public Func<CompilesUnderWay>? Compiles { get; set; }

    /// <summary>What became of its compiles; null: nothing of it was shared.</summary>
    public SharedCompiles? Shared { get; set; }

    /// <summary>How long the build was expected to take when the try began.</summary>
    public required double ExpectedSeconds { get; init; }

    /// <summary>How much the supply of its inputs matters.</summary>
    public required Urgency Urgency { get; init; }

    /// <summary>When the try began.</summary>
    public DateTimeOffset Begun { get; } = begun;

    /// <summary>When the build itself began; null while its inputs are still on their way.</summary>
    public DateTimeOffset? BuildBegun { get; set; }

    /// <summary>When it ended; null while it runs.</summary>
    public DateTimeOffset? BuildEnded { get; set; }

    /// <summary>Bytes of NARs sent for it.</summary>
    public long Supplied { get; set; }

    /// <summary>Size of its outputs; 0 while there are none.</summary>
    public long OutputBytes { get; set; }

    /// <summary>The file with everything that the build prints; null while its inputs are still on their way.</summary>
    public string? LogPath { get; set; }

    /// <summary>Why the log is not whole, or not there; null: it is.</summary>
    public string? LogProblem { get; set; }

    /// <summary>What it came to; null while that is not known.</summary>
    public BuildOutcome? Outcome { get; set; }

    /// <summary>When its outputs set out for home; null: they have not come.</summary>
    public DateTimeOffset? HomeBegun { get; set; }

    /// <summary>When they were here; null: they have not come.</summary>
    public DateTimeOffset? HomeEnded { get; set; }

    /// <summary>The phase that the build itself names; null: none yet.</summary>
    public string? Phase { get; set; }

    /// <summary>Ends with the run, and when the attempt is called off.</summary>
    public CancellationToken Stopping => stop.Token;

    /// <summary>As others see it.</summary>
    public RunningBuild ToRunningBuild() => new(Job.Name, Session.Builder.Name, BuildBegun ?? Begun, Phase ?? (Step == AttemptStep.Supplying ? "supplying" : "building"))
    {
        DerivationPath = Job.Path.ToString(),
        Compiles = Compiles?.Invoke(),
        Expected = ExpectedSeconds > 0 ? TimeSpan.FromSeconds(Math.Min(ExpectedSeconds, TimeSpan.MaxValue.TotalSeconds / 2)) : null,
    };

    /// <summary>The same, when its builder was lost and is back.</summary>
    public Attempt Over(BuilderSession session, CancellationToken run) => new(Job, session, Builder, Cores, Begun, run)
    {
        Step = Step,
        CountedCores = CountedCores,
        ExpectedSeconds = ExpectedSeconds,
        Urgency = Urgency,
        BuildBegun = BuildBegun,
        BuildEnded = BuildEnded,
        Supplied = Supplied,
        OutputBytes = OutputBytes,
        LogPath = LogPath,
        LogProblem = LogProblem,
        Outcome = Outcome,
        Share = Share,
        Shared = Shared,
    };

    /// <summary>Lets the build begin, as soon as its inputs are there.</summary>
    public void LetBegin() => mayBegin.TrySetResult();

    /// <summary>Calls it off: the connection is closed, and the builder's daemon ends the build. Does nothing after its end.</summary>
    public void Cancel()
    {
        if (!isDisposed) stop.Cancel();
    }

    /// <summary>It has ended: the run need not tell it any more when it stops.</summary>
    public void Dispose()
    {
        isDisposed = true;
        stop.Dispose();
    }
}
