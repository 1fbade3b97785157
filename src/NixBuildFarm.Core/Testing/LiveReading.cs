using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Testing;

/// <summary>Asks a builder once what its machine has now.</summary>
public static class LiveReading
{
    /// <summary>Asks.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="transport">How to reach it; stays open.</param>
    /// <param name="limit">How long the answer may take, once it is connected.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="BuilderException">It cannot be reached, or does not tell.</exception>
    public static async Task<NixBuilderReading> TakeAsync(
        NixBuilder builder, IBuilderTransport transport, TimeSpan limit, CancellationToken cancellation)
    {
        await using var live = await LiveChannel.OpenAsync(builder, transport, limit, TimeProvider.System, cancellation);
        var holders = SlotQuestion.AskAsync(transport, TimeProvider.System, cancellation);
        return new(builder, await live.AskAsync(cancellation)) { SlotHolders = await holders };
    }
}
