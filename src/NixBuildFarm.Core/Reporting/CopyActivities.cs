using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Reporting;

/// <summary>
/// Tells copies in the messages of a Nix daemon: each is an activity with its bytes, and all of them together are one with their number.
/// </summary>
/// <param name="say">Takes the messages.</param>
/// <param name="nextId">Gives an id that no other activity has.</param>
internal sealed class CopyActivities(Action<DaemonMessage> say, Func<ulong> nextId)
{
    private readonly Dictionary<long, ulong> underWay = [];
    private readonly Dictionary<long, int> following = [];
    private ulong? all;
    private ulong done;
    private ulong failed;

    /// <summary>A copy begins, goes on or ends.</summary>
    public void Show(RunningCopy copy)
    {
        following[copy.Shipment] = copy.Following;
        if (copy.Following == 0) following.Remove(copy.Shipment);
        if (!underWay.TryGetValue(copy.Id, out var activity))
        {
            if (copy.State != CopyState.UnderWay) return;
            underWay.Add(copy.Id, activity = Begin(copy));
        }
        if (copy.Bytes > 0) say(new ActivityProgress(activity, (ulong)copy.Sent, (ulong)copy.Bytes, 0, 0));
        if (copy.State != CopyState.UnderWay) Stop(copy.Id, copy.State);
        Count();
    }

    /// <summary>Ends what has begun. What goes on in the background is neither done nor failed, and no longer expected.</summary>
    public void End()
    {
        if (all is not { } activity) return;
        following.Clear();
        foreach (var id in underWay.Keys.ToArray()) Stop(id, CopyState.UnderWay);
        Count();
        say(new ActivityStopped(activity));
    }

    private ulong Begin(RunningCopy copy)
    {
        if (all is null)
        {
            all = nextId();
            say(new ActivityStarted(all.Value, Verbosity.Info, ActivityType.CopyPaths, "", [], 0));
        }
        var id = nextId();
        say(new ActivityStarted(
            id, Verbosity.Info, ActivityType.CopyPath, TextOf(copy), [new(0, copy.Path), new(0, copy.From), new(0, copy.To)], all.Value));
        return id;
    }

    private void Stop(long id, CopyState state)
    {
        if (!underWay.Remove(id, out var activity)) return;
        if (state == CopyState.Arrived) done++;
        if (state == CopyState.Failed) failed++;
        say(new ActivityStopped(activity));
    }

    private void Count()
    {
        if (all is not { } activity) return;
        var running = (ulong)underWay.Count;
        say(new ActivityProgress(activity, done, done + failed + running + (ulong)following.Values.Sum(), running, failed));
    }

    // As Nix says it. [makeCopyPathMessage in src/libstore/store-api.cc of NixOS/nix]
    private static string TextOf(RunningCopy copy) =>
        $"copying path '{copy.Path}'{(IsHere(copy.From) ? "" : $" from '{copy.From}'")}{(IsHere(copy.To) ? "" : $" to '{copy.To}'")}";

    private static bool IsHere(string store) => store is "local" or "daemon";
}
