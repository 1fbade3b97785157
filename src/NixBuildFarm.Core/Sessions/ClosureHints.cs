using System.Collections.Immutable;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>
/// Guesses closures: a builder's own statement of the references of valid paths, direct or not, in one round trip. Nobody has verified it.
/// A builder that fails to answer once, e.g. since its login may run only the daemon, is not asked again.
/// </summary>
/// <param name="builder">The builder.</param>
/// <param name="transport">Reaches it.</param>
internal sealed class ClosureHints(NixBuilder builder, IBuilderTransport transport)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // The local daemon answers each question at once.
    private volatile bool hasStoppedTelling = builder.IsLocal;

    /// <summary>Guesses the closure of some paths; empty where the builder does not tell.</summary>
    public async Task<IReadOnlySet<StorePath>> GuessAsync(IReadOnlyCollection<StorePath> roots, CancellationToken cancellation)
    {
        if (hasStoppedTelling) return ImmutableHashSet<StorePath>.Empty;
        using var limited = new SilenceWatch(Patience, TimeProvider.System, cancellation);
        try
        {
            await using var channel = await transport.OpenAsync(ChannelUse.Closure, limited.Token);
            return await ClosureQuestion.AskAsync(channel.Stream, roots, limited.Token).WaitAsync(limited.Token);
        }
        catch (Exception e) when (e is BuilderException or IOException or WireException or ObjectDisposedException
            || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            hasStoppedTelling = true;
            return ImmutableHashSet<StorePath>.Empty;
        }
    }
}
