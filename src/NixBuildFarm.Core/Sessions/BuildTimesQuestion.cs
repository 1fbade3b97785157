using NixBuildFarm.Builders;
using NixBuildFarm.Platform;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>Asks a builder how long builds took by the logs that Nix keeps there.</summary>
internal static class BuildTimesQuestion
{
    /// <summary>A machine with many logs on a slow disk is left alone after this time.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Four thousand lines of a store path and two times.</summary>
    private const int LongestAnswer = 1024 * 1024;

    /// <summary>Asks; null where the builder does not answer.</summary>
    public static async Task<IReadOnlyList<BuildTime>?> AskAsync(
        IBuilderTransport transport, TimeProvider time, CancellationToken calledOff)
    {
        using var patience = new SilenceWatch(Patience, time, calledOff);
        return await ShellAnswer.ReadAsync(transport, ChannelUse.BuildTimes, patience.Token, LongestAnswer) is { } answer
            ? BuildTimes.Parse(answer)
            : null;
    }
}
