namespace NixBuildFarm.Sessions;

/// <summary>
/// Which slots the builds of a session may pass on to each other. To take one costs a round trip and the builder several processes, which
/// is more than a short build; but others who wait for the builder are to have their turn. Its methods are called with the gate held.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="overdue">Called, without the gate, when slots may have lain idle for too long.</param>
internal sealed class SlotLeases(TimeProvider time, Action overdue) : IAsyncDisposable
{
    /// <summary>How long a slot is passed on, and how long it may lie idle between two builds.</summary>
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(1), Pause = TimeSpan.FromMilliseconds(50);

    private readonly Dictionary<int, long> begun = [];
    private readonly List<(int Ask, long Since)> idle = [];
    private ITimer? timer;

    /// <summary>A slot is had.</summary>
    public void Begin(int ask) => begun[ask] = time.GetTimestamp();

    /// <summary>A slot is given back.</summary>
    public void End(int ask) => begun.Remove(ask);

    /// <summary>Whether a slot may be passed on.</summary>
    public bool Goes(int ask) => begun.TryGetValue(ask, out var at) && time.GetElapsedTime(at) < Lease;

    /// <summary>Keeps a slot for the next build, if that comes soon.</summary>
    public void PutAside(int ask)
    {
        idle.Add((ask, time.GetTimestamp()));
        if (idle.Count == 1) WakeUp();
    }

    /// <summary>Takes the slot that was put aside last.</summary>
    public bool TryTake(out int ask)
    {
        ask = 0;
        if (idle.Count == 0) return false;
        ask = idle[^1].Ask;
        idle.RemoveAt(idle.Count - 1);
        return true;
    }

    /// <summary>Takes a slot that no build has come for.</summary>
    public bool TryTakeOverdue(out int ask)
    {
        ask = 0;
        if (idle.Count == 0) return false;
        if (time.GetElapsedTime(idle[0].Since) < Pause)
        {
            WakeUp();
            return false;
        }
        ask = idle[0].Ask;
        idle.RemoveAt(0);
        return true;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => timer?.DisposeAsync() ?? ValueTask.CompletedTask;

    private void WakeUp()
    {
        timer ??= time.CreateTimer(_ => overdue(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        timer.Change(Pause, Timeout.InfiniteTimeSpan);
    }
}
