using System.Collections.Concurrent;
using System.Globalization;
using NixBuildFarm.Builders;
using NixBuildFarm.Deciding;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.Running;

/// <summary>Waits for slots of builders that others hold, and tells of them.</summary>
internal sealed class SlotWaits(RunTasks tasks, RunTeller teller, RunClock clock, string holder)
{
    /// <summary>How long a slot that has become free is kept for a build that starts.</summary>
    private static readonly TimeSpan Kept = TimeSpan.FromSeconds(1);

    /// <summary>When it is said first who still holds the slots; then each time after twice as long, up to the second.</summary>
    private static readonly TimeSpan FirstReminder = TimeSpan.FromMinutes(5), LongestReminder = TimeSpan.FromMinutes(40);

    private readonly ConcurrentDictionary<BuilderSession, bool> withoutSlots = new();

    /// <summary>Says, once, that a builder has no slots to take.</summary>
    public void TellOfNone(BuilderSession session)
    {
        if (session.Slots.WhyNone is not { } why || !withoutSlots.TryAdd(session, true)) return;
        teller.Tell(new RunNews.Decided($"Builds on {session} take no slots there, and other runs may fill it as well: {why}."));
    }

    /// <summary>
    /// A build waits for its slot. Where none but this run itself holds slots there, by a connection that was lost and has not ended on the
    /// builder, nobody would ever give one back: builds go on without.
    /// </summary>
    public async Task SayWhoHoldsAsync(Attempt attempt, BuilderSession session)
    {
        var holders = await session.Slots.HoldersAsync(tasks.Stopping);
        if (session.Slots.AreLeftBehind(holders, holder))
        {
            session.Slots.GoOnWithout("an earlier connection of this run still holds them");
            return;
        }
        tasks.Post(new RunEvent.SlotAwaited(attempt, Named(holders)));
    }

    /// <summary>Waits for the turn of this run.</summary>
    public async Task AwaitAsync(RunBuilder builder, BuilderSession session)
    {
        using var slot = session.Slots.Ask(holder);
        for (var pause = FirstReminder; !slot.Taken.IsCompleted; pause = pause < LongestReminder ? 2 * pause : pause)
        {
            using var had = CancellationTokenSource.CreateLinkedTokenSource(tasks.Stopping);
            var reminder = clock.DelayAsync(pause, had.Token);
            if (await Task.WhenAny(slot.Taken, reminder) == reminder)
            {
                await reminder;
                tasks.Post(new RunEvent.SlotStillAwaited(builder, Named(await session.Slots.HoldersAsync(tasks.Stopping))));
            }
            await had.CancelAsync();
        }
        await slot.Taken;
        slot.LeaveToNext();
        tasks.Post(new RunEvent.SlotFree(builder));
        await clock.DelayAsync(Kept, tasks.Stopping);
    }

    /// <summary>Each run that holds slots, and since when.</summary>
    private static string[] Named(IReadOnlyList<SlotHolder> holders) =>
    [
        .. holders.GroupBy(other => other.ToString()).Select(same => string.Create(
            CultureInfo.InvariantCulture, $"{same.Key}, since {same.Min(other => other.Since).ToLocalTime():yyyy-MM-dd HH:mm}")),
    ];
}
