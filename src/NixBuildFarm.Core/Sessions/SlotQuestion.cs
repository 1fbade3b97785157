using NixBuildFarm.Builders;
using NixBuildFarm.Platform;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>Asks a builder who holds its slots, by <see cref="SlotHolder.Question"/>.</summary>
internal static class SlotQuestion
{
    // Who asks wants to know it of a busy builder above all.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Asks a builder. None: nobody holds one, or it does not tell.</summary>
    /// <param name="transport">Reaches the builder.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<IReadOnlyList<SlotHolder>> AskAsync(
        IBuilderTransport transport, TimeProvider time, CancellationToken cancellation)
    {
        using var patience = new SilenceWatch(Patience, time, cancellation);
        var answer = await ShellAnswer.ReadAsync(transport, ChannelUse.SlotHolders, patience.Token);
        return answer is null ? [] : SlotHolder.Parse(answer, time.GetUtcNow());
    }
}
