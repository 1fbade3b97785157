using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;

namespace NixBuildFarm.Running;

/// <summary>Tells of the paths that the local daemon fetches from its substituters, as it says itself which they are.</summary>
/// <param name="tell">Is told.</param>
/// <param name="wantedBy">The derivation whose outputs are fetched.</param>
internal sealed class FetchNews(Action<RunNews> tell, StorePath wantedBy)
{
    private readonly Dictionary<ulong, RunningCopy> underWay = [];

    /// <summary>Takes what the daemon says, one message at a time.</summary>
    public void Hear(DaemonMessage message)
    {
        switch (message)
        {
            case ActivityStarted { Type: ActivityType.CopyPath, Fields: [{ Text: { } path }, { Text: { } from }, ..] } started:
                // The ids of Nix's daemons have their process in their upper half; ours are small.
                Keep(started.Id, new((long)(started.Id & long.MaxValue), path, from, "local") { DerivationPath = wantedBy.ToString() });
                break;
            case ActivityProgress progress when underWay.TryGetValue(progress.Activity, out var copy):
                Keep(progress.Activity, copy with { Sent = (long)progress.Done, Bytes = (long)progress.Expected });
                break;
            case ActivityStopped stopped when underWay.Remove(stopped.Id, out var copy):
                tell(new RunNews.Copying(copy with { State = CopyState.Arrived }));
                break;
        }
    }

    private void Keep(ulong id, RunningCopy copy)
    {
        underWay[id] = copy;
        tell(new RunNews.Copying(copy));
    }
}
