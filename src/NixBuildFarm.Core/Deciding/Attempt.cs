using NixBuildFarm.Observing;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Deciding;

/// <summary>One try at a derivation on one builder, from the supply of its inputs to its result.</summary>
internal sealed class Attempt(int number, RunJob job, RunBuilder on, int builder, int cores, DateTimeOffset begun)
{
    /// <summary>Which attempt of the run it is.</summary>
    public int Number { get; } = number;

    /// <summary>What is built.</summary>
    public RunJob Job { get; } = job;

    /// <summary>Where.</summary>
    public RunBuilder On { get; } = on;

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

    /// <summary>What its derivation was resolved to when it began; null: it was not.</summary>
    public ResolvedDerivation? Resolved { get; init; }

    /// <summary>How its compiles are shared; null: they are not.</summary>
    public ShareTerms? Share { get; init; }

    /// <summary>Whether it may not begin to build yet: its slot has compiles of others in it.</summary>
    public bool IsHeldUp { get; set; }

    /// <summary>How long the build was expected to take when the try began.</summary>
    public required double ExpectedSeconds { get; init; }

    /// <summary>Whether that is a guess: see <see cref="Scheduling.Estimate.IsGuess"/>.</summary>
    public bool IsGuess { get; init; }

    /// <summary>How long the build is expected to take by the phase that it has come to; null: as when the try began.</summary>
    public double? ExpectedByPhase { get; set; }

    /// <summary>How long the build is expected to take, by all that is known now.</summary>
    public double ExpectedNow => ExpectedByPhase ?? ExpectedSeconds;

    /// <summary>When it came to its phases.</summary>
    public Dictionary<TellingPhase, DateTimeOffset> Phases { get; init; } = [];

    /// <summary>How much the supply of its inputs matters.</summary>
    public required Urgency Urgency { get; init; }

    /// <summary>When the try began.</summary>
    public DateTimeOffset Begun { get; } = begun;

    /// <summary>When the build itself began; null while its inputs are still on their way.</summary>
    public DateTimeOffset? BuildBegun { get; set; }

    /// <summary>When it ended; null while it runs.</summary>
    public DateTimeOffset? BuildEnded
    {
        get;
        // That it has begun is heard of by the loop, which has much to do; that it has ended, as it ends.
        set => field = value < BuildBegun ? BuildBegun : value;
    }

    /// <summary>Bytes of NARs sent for it.</summary>
    public long Supplied { get; set; }

    /// <summary>The memory of its processes when they were last seen, in bytes; null: they were not.</summary>
    public long? Memory { get; set; }

    /// <summary>The most memory that its processes were seen with, in bytes; null: they were not seen.</summary>
    public long? PeakMemory { get; set; }

    /// <summary>Their processor time when they were last seen; null: they were not.</summary>
    public TimeSpan? ProcessorTime { get; set; }

    /// <summary>When that was, in seconds of the run.</summary>
    public double SeenAt { get; set; }

    /// <summary>Size of its outputs; 0 while there are none.</summary>
    public long OutputBytes { get; set; }

    /// <summary>The file with everything that the build prints; null while its inputs are still on their way.</summary>
    public string? LogPath { get; set; }

    /// <summary>What it came to; null while that is not known.</summary>
    public BuildOutcome? Outcome { get; set; }

    /// <summary>When its outputs set out for home; null: they have not come.</summary>
    public DateTimeOffset? HomeBegun { get; set; }

    /// <summary>When they were here; null: they have not come.</summary>
    public DateTimeOffset? HomeEnded { get; set; }

    /// <summary>As others see it.</summary>
    /// <param name="phase">The phase that the build itself names; null: none yet.</param>
    public RunningBuild ToRunningBuild(string? phase) => new(Job.Name, On.Name, BuildBegun ?? Begun, phase ?? Step.InWords())
    {
        DerivationPath = Job.Path.ToString(),
        Expected = ExpectedNow > 0 ? TimeSpan.FromSeconds(Math.Min(ExpectedNow, TimeSpan.MaxValue.TotalSeconds / 2)) : null,
        IsGuess = IsGuess,
        LogPath = LogPath,
    };

    /// <summary>The same, with outputs that a builder has which was lost and is back.</summary>
    /// <param name="on">The builder.</param>
    /// <param name="builder">The scheduler's index of it.</param>
    public Attempt Over(RunBuilder on, int builder) => new(Number, Job, on, builder, Cores, Begun)
    {
        Step = Step,
        CountedCores = CountedCores,
        ExpectedSeconds = ExpectedSeconds,
        IsGuess = IsGuess,
        ExpectedByPhase = ExpectedByPhase,
        Phases = Phases,
        Urgency = Urgency,
        BuildBegun = BuildBegun,
        BuildEnded = BuildEnded,
        Supplied = Supplied,
        Memory = Memory,
        PeakMemory = PeakMemory,
        ProcessorTime = ProcessorTime,
        SeenAt = SeenAt,
        OutputBytes = OutputBytes,
        LogPath = LogPath,
        Outcome = Outcome,
        Resolved = Resolved,
        Share = Share,
    };

    /// <summary>The job, and where it is built.</summary>
    public override string ToString() => $"{Job.Name} on {On}";
}
