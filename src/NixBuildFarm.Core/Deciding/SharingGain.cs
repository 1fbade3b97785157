using NixBuildFarm.History;

namespace NixBuildFarm.Deciding;

/// <summary>
/// How much sooner a build has ended by the help of others. A compile goes elsewhere only where every place at home is taken, so without
/// help the places at home would have had its processor time too. What it cost at home to have it done elsewhere is taken off.
/// </summary>
internal static class SharingGain
{
    /// <summary>The gain; below zero: a loss; null: nothing was measured.</summary>
    /// <param name="shared">What was compiled where.</param>
    /// <param name="homePlaces">Compiles at a time at home.</param>
    /// <param name="speedOf">The speed of a builder ÷ that of home.</param>
    public static TimeSpan? Of(SharedCompiles shared, int homePlaces, Func<BuilderCompiles, double> speedOf)
    {
        TimeSpan?[] measured =
        [
            shared.FoundAtHome,
            .. shared.Builders.Where(builder => !builder.IsHome).Select(builder => builder.ProcessorTime * speedOf(builder)),
        ];
        if (Array.TrueForAll(measured, time => time is null)) return null;
        var spared = measured.Aggregate(TimeSpan.Zero, (sum, time) => sum + (time ?? TimeSpan.Zero));
        return (spared - shared.Cost) / Math.Max(1, homePlaces) - shared.Preparation;
    }
}
