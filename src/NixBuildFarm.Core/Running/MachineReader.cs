using NixBuildFarm.Builders;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.Running;

/// <summary>Asks the machines of a run what they have, again and again.</summary>
internal sealed class MachineReader(RunTasks tasks, RunTeller teller, RunClock clock)
{
    /// <summary>How often a machine is asked.</summary>
    internal static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    /// <summary>
    /// When it is asked first: a builder that has just been connected has its first build to begin, and a run may be over by then.
    /// </summary>
    internal static readonly TimeSpan First = TimeSpan.FromSeconds(1);

    private const int MostFailures = 5;

    /// <summary>Asks one machine until its session is over, or it tells nothing.</summary>
    public async Task ReadAsync(RunBuilder builder, BuilderSession session)
    {
        // It has not answered when it was asked first.
        if (session.Facts.Machine == new BuilderMachine())
        {
            GiveUp(builder, $"{builder} does not tell what its machine has: its login runs nothing but Nix.");
            return;
        }
        await clock.DelayAsync(First, tasks.Stopping);
        for (var failures = 0; await ReadUntilItFailsAsync(builder, session, failures); failures++)
        {
            await clock.DelayAsync(Interval * (failures + 1), tasks.Stopping);
        }
    }

    /// <summary>
    /// A machine that has told what it has may be too busy to go on, or have lost this one channel: then it is asked again, and what its
    /// last words have led to stays.
    /// </summary>
    /// <returns>Whether it is to be asked again.</returns>
    private async Task<bool> ReadUntilItFailsAsync(RunBuilder builder, BuilderSession session, int failures)
    {
        var hasTold = failures > 0;
        try
        {
            await using var live = await session.OpenLiveAsync(tasks.Stopping);
            while (true)
            {
                tasks.Post(new RunEvent.MachineRead(builder, await live.AskAsync(tasks.Stopping)));
                hasTold = true;
                await clock.DelayAsync(Interval, tasks.Stopping);
            }
        }
        catch (BuilderException e)
        {
            if (session.IsClosed) return false;
            if (hasTold && failures < MostFailures) return true;
            GiveUp(builder, $"{e.Message} Nothing depends on it but the choice of builders.");
            return false;
        }
    }

    private void GiveUp(RunBuilder builder, string why)
    {
        teller.Tell(new RunNews.Decided(why));
        tasks.Post(new RunEvent.MachineRead(builder, null));
    }
}
