using NixBuildFarm.Sessions;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>
/// The paths on their way to builders: each goes to a builder once at a time, however many builds wait for it. Safe for concurrent use.
/// </summary>
/// <param name="catalog">Knows which paths a builder has.</param>
internal sealed class Deliveries(PathCatalog catalog)
{
    private readonly object gate = new();
    private readonly Dictionary<(BuilderSession To, StorePath Path), Delivery> underWay = [];

    /// <summary>
    /// Claims the paths that a builder lacks and that no transfer sends yet. A transfer that sends one of the others becomes as urgent as
    /// this one.
    /// </summary>
    public DeliveryClaim Claim(BuilderSession to, IReadOnlyList<PathInfo> paths, Transfer transfer)
    {
        var (mine, others) = (new List<PathInfo>(), new List<Task>());
        lock (gate)
        {
            foreach (var info in paths)
            {
                if (catalog.Has(to, info.Path)) continue;
                if (underWay.TryGetValue((to, info.Path), out var other))
                {
                    other.Transfer.Raise(transfer.Urgency);
                    others.Add(other.Ended.Task);
                }
                else
                {
                    mine.Add(info);
                    underWay.Add((to, info.Path), new(transfer));
                }
            }
        }
        return new(mine, others, path => Release(to, path, transfer));
    }

    private void Release(BuilderSession to, StorePath path, Transfer transfer)
    {
        Delivery? delivery;
        lock (gate)
        {
            if (!underWay.TryGetValue((to, path), out delivery) || delivery.Transfer != transfer) return;
            underWay.Remove((to, path));
        }
        delivery.Ended.SetResult();
    }

    /// <summary>A path on its way to a builder.</summary>
    private sealed class Delivery(Transfer transfer)
    {
        public Transfer Transfer { get; } = transfer;

        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>The claims of one transfer. Disposing of it releases the paths that are still claimed.</summary>
/// <param name="mine">The paths that this transfer sends.</param>
/// <param name="others">Each ends when another transfer has sent, or released, a path that is wanted as well.</param>
/// <param name="release">Releases a path; does nothing if it is released already.</param>
internal sealed class DeliveryClaim(IReadOnlyList<PathInfo> mine, IReadOnlyList<Task> others, Action<StorePath> release) : IDisposable
{
    /// <summary>The paths that this transfer sends, references first.</summary>
    public IReadOnlyList<PathInfo> Mine => mine;

    /// <summary>Whether the builder has all paths.</summary>
    public bool IsEmpty => mine.Count + others.Count == 0;

    /// <summary>Waits for the paths that other transfers send: a path must not arrive before those that it refers to.</summary>
    public Task WaitForOthersAsync(CancellationToken cancellation) => Task.WhenAll(others).WaitAsync(cancellation);

    /// <summary>A path has arrived: transfers that wait for it go on.</summary>
    public void Release(StorePath path) => release(path);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var info in mine) release(info.Path);
    }
}
