using NixBuildFarm.Errors;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>
/// Brings outputs home. What a builder has made while its last outputs were on their way comes together: many small ones cost few
/// connections and round trips.
/// </summary>
/// <param name="bringAsync">Brings paths home, and says when they set out; fails when one of them cannot come.</param>
/// <typeparam name="TFrom">What tells builders apart.</typeparam>
/// <param name="atATime">How many such lots are on their way from one builder: a large output does not hold up small ones.</param>
internal sealed class Homecoming<TFrom>(Func<IReadOnlyCollection<StorePath>, Task<DateTimeOffset>> bringAsync, int atATime)
    where TFrom : notnull
{
    private readonly object gate = new();
    private readonly Dictionary<TFrom, Lane> lanes = [];

    /// <summary>Brings outputs of one derivation home; returns when they are here, and says when they set out.</summary>
    /// <exception cref="NixBuildFarmException">They cannot come.</exception>
    public async Task<DateTimeOffset> BringAsync(TFrom from, IReadOnlyCollection<StorePath> outputs)
    {
        Lot lot;
        lock (gate)
        {
            if (!lanes.TryGetValue(from, out var lane)) lanes.Add(from, lane = new(atATime));
            lot = lane.Next ??= new Lot(BringNextAsync(lane));
            lot.Paths.AddRange(outputs);
            lot.Derivations++;
        }
        try
        {
            return await lot.Coming;
        }
        catch (Exception e) when (lot.Derivations > 1 && e is NixBuildFarmException or IOException)
        {
            // Which of the lot could not come nobody knows: each says so for itself.
            return await bringAsync(outputs);
        }
    }

    private async Task<DateTimeOffset> BringNextAsync(Lane lane)
    {
        await Task.Yield(); // the caller holds the gate
        await lane.Turn.WaitAsync();
        try
        {
            Lot lot;
            lock (gate) (lot, lane.Next) = (lane.Next!, null);
            return await bringAsync(lot.Paths);
        }
        finally
        {
            lane.Turn.Release();
        }
    }

    private sealed class Lane(int atATime)
    {
        public SemaphoreSlim Turn { get; } = new(atATime);

        /// <summary>What is still being gathered; null: nothing is.</summary>
        public Lot? Next { get; set; }
    }

    private sealed class Lot(Task<DateTimeOffset> coming)
    {
        public Task<DateTimeOffset> Coming { get; } = coming;

        public List<StorePath> Paths { get; } = [];

        public int Derivations { get; set; }
    }
}
