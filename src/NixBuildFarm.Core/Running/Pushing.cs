using System.Collections.Concurrent;
using NixBuildFarm.Builders;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.FollowUp;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Running;

/// <summary>Puts what is built into other stores: into those that Nix knows by its own program, here or on the builder, into a machine's
/// as inputs get to a builder.</summary>
/// <param name="request">What the user wants of it.</param>
/// <param name="supply">Sends to machines.</param>
/// <param name="catalog">The holders of paths.</param>
/// <param name="local">The local store.</param>
/// <param name="connector">Connects machines.</param>
/// <param name="teller">Tells what the user should know.</param>
/// <param name="clock">The time of the run.</param>
internal sealed class Pushing(
    BuildRequest request, Supply supply, PathCatalog catalog, BuilderSession local, FarmConnector connector, RunTeller teller,
    RunClock clock)
{
    private readonly StorePush push = new(
        request.SecretKeyFiles, warning => teller.Tell(new RunNews.Degraded(warning)), clock.Time);

    private readonly ConcurrentDictionary<(PushTarget To, BuilderSession? By), Lazy<PushQueue>> queues = new();
    private readonly ConcurrentDictionary<PushTarget, Task<BuilderSession>> machines = new();

    /// <summary>Does it.</summary>
    /// <param name="to">The store.</param>
    /// <param name="by">The builder that does it itself; null: this machine does.</param>
    /// <param name="outputs">The outputs of one derivation.</param>
    /// <param name="cancellation">Ends it, and all others.</param>
    /// <exception cref="NixBuildFarmException">The store has not got them.</exception>
    public Task PushAsync(PushTarget to, BuilderSession? by, IReadOnlyCollection<StorePath> outputs, CancellationToken cancellation) =>
        queues.GetOrAdd((to, by), key => new(() => new(paths => PushLotAsync(key.To, key.By, paths, cancellation))))
            .Value.PushAsync(outputs);

    private async Task PushLotAsync(
        PushTarget to, BuilderSession? by, IReadOnlyCollection<StorePath> paths, CancellationToken cancellation)
    {
        if (to.Machine is { } machine)
        {
            await CopyAsync(to, machine, paths, cancellation);
            return;
        }
        var from = by ?? local;
        await from.ProtectAsync(paths, cancellation);
        await (by is null ? push.PushAsync(to.Uri, paths, cancellation) : by.PushAsync(to.Uri, paths, cancellation));
    }

    private async Task CopyAsync(
        PushTarget to, NixBuilder machine, IReadOnlyCollection<StorePath> paths, CancellationToken cancellation)
    {
        var connecting = machines.AddOrUpdate(
            to,
            _ => ConnectAsync(machine, cancellation),
            (_, known) => known is { IsCompleted: true, IsCompletedSuccessfully: false } ? ConnectAsync(machine, cancellation) : known);
        var session = await connecting;
        try
        {
            await supply.EnsureAsync(session, paths, new(TransferPurpose.CopyBack), cancellation);
        }
        catch (BuilderException)
        {
            // One that is lost is connected anew at the next try.
            if (!session.IsGivenUp && await session.AnswersAsync(cancellation)) throw;
            machines.TryRemove(new(to, connecting));
            catalog.Forget(session);
            await connector.CloseAsync(session);
            throw;
        }
    }

    private async Task<BuilderSession> ConnectAsync(NixBuilder machine, CancellationToken cancellation)
    {
        var session = await connector.ConnectTargetAsync(machine, cancellation);
        catalog.AddTaker(session);
        return session;
    }
}
