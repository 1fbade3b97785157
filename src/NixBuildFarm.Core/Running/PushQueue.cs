using NixBuildFarm.Errors;
using NixBuildFarm.Store;

namespace NixBuildFarm.Running;

/// <summary>
/// Puts outputs into one store, a lot at a time: what comes meanwhile is the next lot, so that many small outputs cost few programs and
/// connections. A lot that fails is tried in halves, for the error does not say which it is about, unless the store takes none of them.
/// </summary>
/// <param name="pushAsync">Puts paths into the store; fails if one of them is not there then.</param>
internal sealed class PushQueue(Func<IReadOnlyCollection<StorePath>, Task> pushAsync)
{
    /// <summary>They are words of a command line.</summary>
    private const int LargestLot = 500;

    /// <summary>A store that has refused so many parts of a lot, and taken none, takes nothing.</summary>
    private const int RefusedParts = 16;

    private readonly object gate = new();
    private readonly Queue<Outputs> waiting = [];
    private bool isPushing;

    /// <summary>Puts the outputs of one derivation into the store; ends when they are there.</summary>
    /// <exception cref="NixBuildFarmException">They are not.</exception>
    public Task PushAsync(IReadOnlyCollection<StorePath> paths)
    {
        var outputs = new Outputs(paths);
        lock (gate)
        {
            waiting.Enqueue(outputs);
            if (!isPushing) _ = Task.Run(PushAllAsync);
            isPushing = true;
        }
        return outputs.Done.Task;
    }

    private async Task PushAllAsync()
    {
        while (true)
        {
            var lot = new List<Outputs>();
            lock (gate)
            {
                while (lot.Count < LargestLot && waiting.TryDequeue(out var next)) lot.Add(next);
                if (lot.Count == 0)
                {
                    isPushing = false;
                    return;
                }
            }
            await PushAsync(lot);
        }
    }

    private async Task PushAsync(List<Outputs> lot)
    {
        // The large parts first: the halves of all of them span the lot.
        var parts = new Queue<List<Outputs>>([lot]);
        var (refused, hasTaken) = (0, false);
        while (parts.TryDequeue(out var part))
        {
            var error = await TryAsync(part);
            hasTaken |= error is null;
            if (error is null) continue;
            // What ends the run ends all of it.
            var isOver = error is not (NixBuildFarmException or IOException) || (++refused >= RefusedParts && !hasTaken);
            if (part.Count == 1 || isOver) Fail(part, error);
            if (isOver)
            {
                foreach (var rest in parts) Fail(rest, error);
                return;
            }
            if (part.Count == 1) continue;
            parts.Enqueue(part[..(part.Count / 2)]);
            parts.Enqueue(part[(part.Count / 2)..]);
        }
    }

    private async Task<Exception?> TryAsync(List<Outputs> part)
    {
        try
        {
            await pushAsync([.. part.SelectMany(outputs => outputs.Paths)]);
            foreach (var outputs in part) outputs.Done.SetResult();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }

    private static void Fail(List<Outputs> part, Exception error)
    {
        foreach (var outputs in part) outputs.Done.SetException(error);
    }

    private sealed record Outputs(IReadOnlyCollection<StorePath> Paths)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
