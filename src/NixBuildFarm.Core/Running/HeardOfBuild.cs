using NixBuildFarm.FollowUp;
using NixBuildFarm.Protocol;
using NixBuildFarm.Text;

namespace NixBuildFarm.Running;

/// <summary>What a builder's daemon has said of one build, its log apart.</summary>
internal sealed class HeardOfBuild
{
    /// <summary>The last phase that the build has named; null: none.</summary>
    public string? Phase { get; private set; }

    /// <summary>The directory that the daemon has kept; null: none.</summary>
    public string? Folder { get; private set; }

    /// <summary>Takes a message in.</summary>
    public void Hear(DaemonMessage message)
    {
        if (message is BuildPhaseEntered entered) Phase = Printable.Replaced(entered.Phase);
        if (message is DaemonLogLine line && KeptFolder.PathIn(line.Text) is { } path) Folder = path;
    }
}
