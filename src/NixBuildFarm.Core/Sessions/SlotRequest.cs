namespace NixBuildFarm.Sessions;

/// <summary>One slot of a builder: asked for, then held, and given back when this is disposed of.</summary>
internal sealed class SlotRequest : IDisposable
{
    private readonly SlotLocks locks;
    private readonly TaskCompletionSource taken = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource heldUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int isEnded;
    private bool isLeft;

    internal SlotRequest(SlotLocks locks)
    {
        this.locks = locks;
    }

    /// <summary>Ends when the slot is had, or when it is known that the builder has none to take.</summary>
    public Task Taken => taken.Task;

    /// <summary>Ends when others hold the slots of the builder, so that this waits for its turn.</summary>
    public Task HeldUp => heldUp.Task;

    /// <summary>The ask that it was had by; 0: it is had without a lock; null: it is not had. Read with the gate of the locks.</summary>
    internal int? Number { get; private set; }

    /// <summary>Leaves a slot that is had to the next who asks in this session, if that is soon: until this is disposed of.</summary>
    public void LeaveToNext()
    {
        if (Interlocked.Exchange(ref isEnded, 1) != 0) return;
        isLeft = true;
        locks.Leave(this);
    }

    /// <summary>Gives it to the next who asks in this session, if that is at once, or asks no more; others get it in their turn.</summary>
    public void PassOn()
    {
        if (Interlocked.Exchange(ref isEnded, 1) == 0) locks.PassOn(this);
    }

    /// <summary>Gives it back, or asks no more.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref isEnded, 1) == 0) locks.End(this);
        else if (isLeft) locks.GiveSpareBack();
    }

    /// <summary>It is had. Called with the gate of the locks.</summary>
    internal void Take(int ask)
    {
        Number = ask;
        taken.TrySetResult();
    }

    /// <summary>It waits for others. Called with the gate of the locks.</summary>
    internal void HoldUp() => heldUp.TrySetResult();
}
