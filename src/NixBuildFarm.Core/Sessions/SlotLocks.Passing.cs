namespace NixBuildFarm.Sessions;

// Slots that one request of the session leaves to another.
internal sealed partial class SlotLocks
{
    /// <summary>Slots that are held, and that nobody uses for the moment.</summary>
    private readonly Stack<int> spare = new();

    private SlotLeases? leases;

    private SlotLeases Leases => leases ??= new(time, GiveOverdueBack);

    /// <summary>Lets the next who asks have the slot of a request.</summary>
    internal void Leave(SlotRequest request)
    {
        lock (gate)
        {
            if (request.Number is not { } ask || !held.ContainsKey(ask)) return;
            if (waiting.First?.Value is { } next) Hand(ask, next);
            else spare.Push(ask);
        }
    }

    /// <summary>A build has ended: the next one of this session may have its slot, unless it is the turn of others.</summary>
    internal void PassOn(SlotRequest request)
    {
        lock (gate)
        {
            if (request.Number is not { } ask) waiting.Remove(request);
            else if (heldUp.Count > 0 || !Leases.Goes(ask)) GiveBack(ask);
            else if (waiting.First?.Value is { } next) Hand(ask, next);
            else Leases.PutAside(ask);
            Pump();
        }
    }

    /// <summary>Gives slots back that were left to others, and that nobody has taken.</summary>
    internal void GiveSpareBack()
    {
        lock (gate)
        {
            while (spare.TryPop(out var ask)) GiveBack(ask);
            Pump();
        }
    }

    private void GiveOverdueBack()
    {
        lock (gate)
        {
            while (Leases.TryTakeOverdue(out var ask)) GiveBack(ask);
            Pump();
        }
    }
}
