namespace NixBuildFarm.Scheduling.Placing;

/// <summary>
/// The rules of others, for comparison. Stock Nix: the least load ÷ speed, then the larger speed, then the least load, over the remote
/// builders with a free slot; the local one when there is none. Hydra: the same over all, load ÷ speed rounded to a whole number.
/// </summary>
/// <remarks>Nix's <c>build-remote.cc</c>; Hydra's <c>dispatcher.cc</c>.</remarks>
internal sealed class LeastLoad(PlacingContext context) : IPlacementRule
{
    private readonly SchedulingState state = context.State;

    /// <inheritdoc/>
    public Place Best(int job, double now, bool mayWait)
    {
        var isHydra = context.Heuristic.Rule == PlacementRule.Hydra;
        var (best, bestRank) = (-1, (IsLocal: true, Load: 0.0, Speed: 0.0, Running: 0));
        var may = state.BuildersFor(job);
        for (var b = 0; b < state.Builders.Length; b++)
        {
            var builder = state.Builders[b];
            if (builder.FreeSlots == 0 || !may[b]) continue;
            var running = builder.MaxJobs - builder.FreeSlots;
            var speed = state.SpeedOf(b, job);
            var load = isHydra ? Math.Round(running / speed) : running / speed;
            var rank = (!isHydra && builder.Description.IsLocal, load, -speed, running);
            if (best < 0 || rank.CompareTo(bestRank) < 0) (best, bestRank) = (b, rank);
        }
        if (best < 0) return Place.None;
        var start = Math.Max(now, state.Transfers.InputsAt(job, best, now)) + context.Options.StartOverhead;
        return new Place(best, start, start + state.Estimates[job].Seconds / state.SpeedOf(best, job));
    }
}
