using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.Running;

/// <summary>
/// The slot of one attempt. It is asked for at once, since that takes a round trip; where the inputs take long, it is left to others until
/// they are there.
/// </summary>
internal sealed class SlotTurn(SlotLocks slots, string holder, RunClock clock) : IDisposable
{
    /// <summary>How long a slot is had without a build.</summary>
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(2);

    /// <summary>How long a build waits for a slot before it may go elsewhere.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How long the builder may leave an ask unanswered: it may hang at what another login has put into its way.</summary>
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(30);

    private SlotRequest request = slots.Ask(holder);

    /// <summary>Waits until a build can begin.</summary>
    /// <param name="preparing">What comes before it.</param>
    /// <param name="cancellation">Gives up.</param>
    public async Task KeepDuringAsync(Task preparing, CancellationToken cancellation)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (await Task.WhenAny(preparing, clock.DelayAsync(Idle, over.Token)) != preparing)
        {
            request.Dispose();
            await preparing;
            request = slots.Ask(holder);
            return;
        }
        await over.CancelAsync();
        await preparing;
    }

    /// <summary>Takes the slot.</summary>
    /// <param name="isAwaited">Called where that takes long.</param>
    /// <param name="cancellation">Gives up.</param>
    public async Task TakeAsync(Action isAwaited, CancellationToken cancellation)
    {
        if (request.Taken.IsCompleted) return;
        using var had = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.WhenAny(request.Taken, request.HeldUp, clock.DelayAsync(AnswerPatience, had.Token));
        var patience = clock.DelayAsync(Patience, had.Token);
        if (await Task.WhenAny(request.Taken, patience) == patience)
        {
            await patience;
            isAwaited();
        }
        await request.Taken.WaitAsync(cancellation);
        await had.CancelAsync();
    }

    /// <summary>The build has ended: the next one may have the slot.</summary>
    public void PassOn() => request.PassOn();

    /// <summary>Gives it back.</summary>
    public void Dispose() => request.Dispose();
}
