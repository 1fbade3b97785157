using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling.Playing;

/// <summary>What the jobs of a graph really take.</summary>
/// <param name="Seconds">By job: at speed 1.0 on four cores.</param>
/// <param name="OutputBytes">By job: size of all outputs.</param>
public sealed record GraphDurations(IReadOnlyList<double> Seconds, IReadOnlyList<long> OutputBytes)
{
    /// <summary>By job: what a table of packages would have guessed; null where the file says nothing of it.</summary>
    public IReadOnlyList<double>? TableSeconds { get; init; }

    /// <summary>By job: the most memory that it has at a time, in bytes; null: no build is killed for want of it.</summary>
    public IReadOnlyList<long>? Memory { get; init; }

    /// <summary>By job: its compiles; null: nothing can be shared.</summary>
    public IReadOnlyList<CompileEstimate>? Compiles { get; init; }

    /// <summary>By job: its <see cref="Estimate.SerialPart"/>; null: all have the typical one.</summary>
    public IReadOnlyList<double>? SerialParts { get; init; }

    /// <summary>What the jobs take if all is as it is believed.</summary>
    internal static GraphDurations Of(IReadOnlyList<Estimate> estimates) =>
        new([.. estimates.Select(e => e.Seconds)], [.. estimates.Select(e => e.OutputBytes)])
        {
            Compiles = [.. estimates.Select(e => e.Compiles)],
            SerialParts = [.. estimates.Select(e => e.SerialPart)],
        };
}
