using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;

namespace NixBuildFarm.Observing;

/// <summary>An event of a run, for observers that show or record it.</summary>
public abstract record RunNews
{
    private RunNews()
    {
    }

    /// <summary>The run has begun.</summary>
    /// <param name="RunId">Which.</param>
    /// <param name="Requested">What was asked for, in the user's words.</param>
    public sealed record Began(string RunId, IReadOnlyList<string> Requested) : RunNews;

    /// <summary>It is known what there is to do.</summary>
    /// <param name="Derivations">All that is to be built or fetched, what is needed before what needs it.</param>
    public sealed record Found(IReadOnlyList<FoundDerivation> Derivations) : RunNews;

    /// <summary>The run has ended.</summary>
    /// <param name="State">How.</param>
    public sealed record Over(RunState State) : RunNews;

    /// <summary>A derivation has ended, for good.</summary>
    /// <param name="Result">How.</param>
    public sealed record Ended(NixBuildResult Result) : RunNews;

    /// <summary>A builder cannot be used, or no longer. The run goes on without it.</summary>
    /// <param name="Builder">The builder.</param>
    /// <param name="Error">Why.</param>
    public sealed record BuilderFailed(NixBuilder Builder, NixBuildFarmException Error) : RunNews;

    /// <summary>The history cannot be used. The run goes on without it.</summary>
    /// <param name="Error">Why.</param>
    public sealed record HistoryFailed(HistoryException Error) : RunNews;

    /// <summary>A decision was taken.</summary>
    /// <param name="Message">Which one, and why.</param>
    public sealed record Decided(string Message) : RunNews;

    /// <summary>The run is not as good as it should be.</summary>
    /// <param name="Message">The defect, and its cause.</param>
    public sealed record Degraded(string Message) : RunNews;

    /// <summary>A build has printed a line.</summary>
    /// <param name="Build">The build.</param>
    /// <param name="Line">The line, as it was printed.</param>
    public sealed record Printed(RunningBuild Build, string Line) : RunNews;

    /// <summary>Something has begun, gone on or ended.</summary>
    /// <param name="Progress">Where the run stands now.</param>
    public sealed record Progressed(RunProgress Progress) : RunNews;

    /// <summary>A store path is copied between two stores.</summary>
    /// <param name="Copy">Where that stands now.</param>
    public sealed record Copying(RunningCopy Copy) : RunNews;
}
