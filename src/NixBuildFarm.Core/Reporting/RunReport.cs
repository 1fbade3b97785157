using NixBuildFarm.History;

namespace NixBuildFarm.Reporting;

/// <summary>
/// A past run, laid out to be drawn: every build and every try in a lane of its builder. Times are seconds since the run began.
/// </summary>
public sealed record RunReport
{
    /// <summary>The run.</summary>
    public required string RunId { get; init; }

    /// <summary>When it began.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>How long the run took in all, from its start to its end.</summary>
    public required double Seconds { get; init; }

    /// <summary>Duration of the evaluation at the beginning; 0 where it is not known.</summary>
    public double EvaluationSeconds { get; init; }

    /// <summary>How it ended.</summary>
    public required RunState State { get; init; }

    /// <summary>What was asked for, in the user's words.</summary>
    public required IReadOnlyList<string> Requested { get; init; }

    /// <summary>The error that ended the run early; null when there was none.</summary>
    public string? Error { get; init; }

    /// <summary>As <see cref="RunRecord.Makespan"/>.</summary>
    public required double Makespan { get; init; }

    /// <summary>Seconds that no schedule on this farm can beat, given how long the builds took; null if not all was built.</summary>
    public double? LowerBound { get; init; }

    /// <summary>Bytes of NARs that were sent to builders.</summary>
    public required long SuppliedBytes { get; init; }

    /// <summary>The builders, and last the substituters where something was fetched.</summary>
    public required IReadOnlyList<ReportBuilder> Builders { get; init; }

    /// <summary>The derivations.</summary>
    public required IReadOnlyList<ReportJob> Jobs { get; init; }

    /// <summary>The copies back from builders, in the order of time.</summary>
    public IReadOnlyList<ReportCopy> Copies { get; init; } = [];

    /// <summary>Lanes that are needed to draw them.</summary>
    public int CopyLanes { get; init; }

    /// <summary>
    /// Indexes of derivations, in the order of time: the derivation that ended last, before it the one of its inputs that ended last, and
    /// so on. Had one of them been faster, or waited less, the run might have been faster.
    /// </summary>
    public required IReadOnlyList<int> CriticalPath { get; init; }

    /// <summary>What is left of a run that goes on; null: it has ended, or does not say.</summary>
    public ReportRemainder? Remainder { get; init; }

    /// <summary>The run that it is compared to; null: to none.</summary>
    public ReportComparison? ComparedTo { get; init; }
}

/// <summary>What is left of a run that goes on.</summary>
/// <param name="Seconds">How long it is still expected to take; null: nothing can be said.</param>
/// <param name="IsGuess">Whether that is a guess.</param>
/// <param name="Pushing">How many times outputs of a derivation are still to be put into a store.</param>
public sealed record ReportRemainder(double? Seconds, bool IsGuess, int Pushing);

/// <summary>The kinds of rows of the report.</summary>
public enum ReportBuilderKind
{
    /// <summary>A builder of the farm.</summary>
    Builder,

    /// <summary>All substituters together: the fetched outputs.</summary>
    Substituters,
}

/// <summary>A row of the report: a builder with as many lanes as it had builds at a time.</summary>
public sealed record ReportBuilder
{
    /// <summary>The builder.</summary>
    public required string Name { get; init; }

    /// <summary>The kind of row.</summary>
    public required ReportBuilderKind Kind { get; init; }

    /// <summary>The platforms it builds.</summary>
    public IReadOnlyList<string> Systems { get; init; } = [];

    /// <summary>Builds that it may run at a time.</summary>
    public required int Slots { get; init; }

    /// <summary>Lanes that are needed to draw it.</summary>
    public required int Lanes { get; init; }

    /// <summary>Builds that it finished.</summary>
    public required int Builds { get; init; }

    /// <summary>Seconds of all of its builds, one after the other.</summary>
    public required double BusySeconds { get; init; }

    /// <summary>The part of its slots × makespan that builds filled: 0 to 1.</summary>
    public required double Utilisation { get; init; }

    /// <summary>Bytes of NARs that were sent to it.</summary>
    public required long SuppliedBytes { get; init; }

    /// <summary>What its machine has, while the run goes on; null: it does not tell, or the run has ended.</summary>
    public ReportMachine? Now { get; init; }
}

/// <summary>What a machine has, as it last told; null where it does not tell.</summary>
/// <param name="Cores">Its cores.</param>
/// <param name="Load">Its load of the last minute.</param>
/// <param name="MemoryAvailable">The memory that programs can still get, in bytes.</param>
/// <param name="OtherBuilds">How many builds go on there that are not of the run.</param>
public sealed record ReportMachine(int? Cores, double? Load, long? MemoryAvailable, int? OtherBuilds);

/// <summary>A derivation of the report.</summary>
public sealed record ReportJob
{
    /// <summary>The derivation's name.</summary>
    public required string Name { get; init; }

    /// <summary>Its path.</summary>
    public required string DerivationPath { get; init; }

    /// <summary>The system that it builds on.</summary>
    public required string System { get; init; }

    /// <summary>How it ended; null: the run goes on, and it has not ended.</summary>
    public required NixBuildStatus? Status { get; init; }

    /// <summary>Index of its builder; null when it was on none.</summary>
    public int? Builder { get; init; }

    /// <summary>Its lane there.</summary>
    public int? Lane { get; init; }

    /// <summary>When the supply of its inputs began; null when it did not.</summary>
    public double? SupplyStart { get; init; }

    /// <summary>When the build itself began; null when it did not.</summary>
    public double? Start { get; init; }

    /// <summary>How long the build itself took.</summary>
    public double Seconds { get; init; }

    /// <summary>Seconds from the moment when its inputs were built to the moment when its build began.</summary>
    public double Waited { get; init; }

    /// <summary>The expected duration; null where there was no estimate.</summary>
    public double? ExpectedSeconds { get; init; }

    /// <summary>Whether that was a guess, as no build of the package was known; null: it was not.</summary>
    public bool? IsGuess { get; init; }

    /// <summary>The cores that it was counted with.</summary>
    public int Cores { get; init; }

    /// <summary>Bytes of NARs that were sent for it.</summary>
    public long SuppliedBytes { get; init; }

    /// <summary>Size of its outputs.</summary>
    public long OutputBytes { get; init; }

    /// <summary>The most memory that the build had at a time, in bytes; null: that was not seen.</summary>
    public long? PeakMemory { get; init; }

    /// <summary>Processor time that the build took on its builder; null: that was not seen.</summary>
    public double? ProcessorSeconds { get; init; }

    /// <summary>Whether the user asked for it.</summary>
    public bool IsRequested { get; init; }

    /// <summary>Indexes of the derivations whose outputs it needs.</summary>
    public IReadOnlyList<int> Dependencies { get; init; } = [];

    /// <summary>Its compiles, where other builders did some of them; null: it was not shared.</summary>
    public ReportCompiles? Compiles { get; init; }

    /// <summary>The failed attempts.</summary>
    public IReadOnlyList<ReportAttempt> Attempts { get; init; } = [];

    /// <summary>The error; null when there was none.</summary>
    public string? Error { get; init; }

    /// <summary>The file with its log; null when there is none.</summary>
    public string? LogPath { get; init; }

    /// <summary>The phase that a failed build was in when it ended, or that one is in that goes on; null: it names none.</summary>
    public string? Phase { get; init; }

    /// <summary>The directory of a failed build on this machine; null: there is none.</summary>
    public string? BuildFolder { get; init; }

    /// <summary>The last lines of its log, if it failed or goes on.</summary>
    public IReadOnlyList<string> LogTail { get; init; } = [];
}

/// <summary>Outputs that were copied back together from one builder.</summary>
public sealed record ReportCopy
{
    /// <summary>Index of the builder that they came from.</summary>
    public required int Builder { get; init; }

    /// <summary>Its lane among the copies.</summary>
    public required int Lane { get; init; }

    /// <summary>When they set out.</summary>
    public required double Start { get; init; }

    /// <summary>How long they were on their way.</summary>
    public required double Seconds { get; init; }

    /// <summary>Size of the outputs.</summary>
    public required long Bytes { get; init; }

    /// <summary>Indexes of the derivations whose outputs they are.</summary>
    public required IReadOnlyList<int> Jobs { get; init; }
}

/// <summary>A failed attempt.</summary>
public sealed record ReportAttempt
{
    /// <summary>Index of the builder; null where the run's farm does not have it.</summary>
    public int? Builder { get; init; }

    /// <summary>Its lane there.</summary>
    public int? Lane { get; init; }

    /// <summary>When it began, its supply included.</summary>
    public required double Start { get; init; }

    /// <summary>How long it took.</summary>
    public required double Seconds { get; init; }

    /// <summary>The reason of the failure.</summary>
    public required string Reason { get; init; }

    /// <summary>Whether another builder finished first: the derivation had been started twice.</summary>
    public bool GaveWay { get; init; }
}

/// <summary>The compiles of a build, where other builders did some of them.</summary>
public sealed record ReportCompiles
{
    /// <summary>How many there were.</summary>
    public required int Count { get; init; }

    /// <summary>How many others did.</summary>
    public required int Shared { get; init; }

    /// <summary>How many had been done before.</summary>
    public required int Reused { get; init; }

    /// <summary>How much sooner the build has ended, in seconds.</summary>
    public required double? SavedSeconds { get; init; }

    /// <summary>Who did how many.</summary>
    public required IReadOnlyList<ReportBuilderCompiles> Builders { get; init; }

    /// <summary>When others compiled, as far as that was kept.</summary>
    public required IReadOnlyList<ReportCompile> Elsewhere { get; init; }
}

/// <summary>What one builder did of the compiles of a build.</summary>
/// <param name="Builder">Its name.</param>
/// <param name="Count">How many.</param>
public sealed record ReportBuilderCompiles(string Builder, int Count);

/// <summary>A compile elsewhere. Times are seconds since the run began.</summary>
/// <param name="Start">When it was asked for.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record ReportCompile(double Start, double Seconds);
