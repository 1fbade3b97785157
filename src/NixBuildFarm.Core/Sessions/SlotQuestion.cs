using NixBuildFarm.Builders;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>Asks a builder who holds its slots, by <see cref="SlotHolder.Question"/>.</summary>
internal static class SlotQuestion
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Asks a builder. None: nobody holds one, or it does not tell.</summary>
    /// <param name="transport">Reaches the builder.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<IReadOnlyList<SlotHolder>> AskAsync(
        IBuilderTransport transport, TimeProvider time, CancellationToken cancellation)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, patience.Token);
        var answer = await ShellAnswer.ReadAsync(transport, ChannelUse.SlotHolders, either.Token);
        return answer is null ? [] : SlotHolder.Parse(answer, time.GetUtcNow());
    }
}
