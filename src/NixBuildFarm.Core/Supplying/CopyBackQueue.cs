using NixBuildFarm.Errors;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>
/// Copies outputs back in batches: outputs that a builder makes during a copy are copied together in the next one, so that many small
/// outputs cost few connections and round trips.
/// </summary>
/// <param name="copyAsync">Copies paths back, and returns when it began; fails when one of them cannot come.</param>
/// <param name="atATime">How many lots are on their way from one builder: a large output does not hold up small ones.</param>
internal sealed class CopyBackQueue(Func<IReadOnlyCollection<StorePath>, Task<DateTimeOffset>> copyAsync, int atATime)
{
    private readonly object gate = new();
    private readonly Dictionary<string, Lane> lanes = [];

    /// <summary>Copies the outputs of one derivation back; ends when they are here, and returns when their copy began.</summary>
    /// <param name="builder">The name of the builder that made them.</param>
    /// <param name="outputs">The paths.</param>
    /// <exception cref="NixBuildFarmException">They cannot come.</exception>
    public async Task<DateTimeOffset> CopyAsync(string builder, IReadOnlyCollection<StorePath> outputs)
    {
        Lot lot;
        lock (gate)
        {
            if (!lanes.TryGetValue(builder, out var lane)) lanes.Add(builder, lane = new(atATime));
            lot = lane.Next ??= new Lot(CopyNextAsync(lane));
            lot.Paths.AddRange(outputs);
            lot.Derivations++;
        }
        try
        {
            return await lot.Coming;
        }
        catch (Exception e) when (lot.Derivations > 1 && e is NixBuildFarmException or IOException)
        {
            // The error does not say which of the lot cannot come, so each is copied alone.
            return await copyAsync(outputs);
        }
    }

    private async Task<DateTimeOffset> CopyNextAsync(Lane lane)
    {
        await Task.Yield(); // the caller holds the gate
        await lane.Turn.WaitAsync();
        try
        {
            Lot lot;
            lock (gate) (lot, lane.Next) = (lane.Next!, null);
            return await copyAsync(lot.Paths);
        }
        finally
        {
            lane.Turn.Release();
        }
    }

    private sealed class Lane(int atATime)
    {
        public SemaphoreSlim Turn { get; } = new(atATime);

        /// <summary>The batch that is being gathered; null: none.</summary>
        public Lot? Next { get; set; }
    }

    private sealed class Lot(Task<DateTimeOffset> coming)
    {
        public Task<DateTimeOffset> Coming { get; } = coming;

        public List<StorePath> Paths { get; } = [];

        public int Derivations { get; set; }
    }
}
