using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.Observing;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.Running;

/// <summary>Connects the builders of a run, and sees that what they build may come home.</summary>
internal sealed class FarmConnector(BuildRequest request, SessionSet sessions, Task<BuilderSession> localOpening, IBuildObserver observer)
{
    /// <summary>Connects a builder. That it cannot be used is a result: whether it matters is for the run to say.</summary>
    /// <exception cref="OperationCanceledException">The run has ended.</exception>
    public async Task<Connected> TryConnectAsync(NixBuilder builder, CancellationToken cancellation)
    {
        try
        {
            return new(builder, await ConnectAsync(builder, cancellation), null);
        }
        catch (NixBuildFarmException e)
        {
            return new(builder, null, e);
        }
    }

    /// <summary>Connects a builder.</summary>
    /// <exception cref="NixBuildFarmException">It cannot be reached or used, or what it builds could not come home.</exception>
    public async Task<BuilderSession> ConnectAsync(NixBuilder builder, CancellationToken cancellation)
    {
        var session = await sessions.OpenAsync(builder, builder.UsesSubstitutes ?? request.BuildersUseSubstitutes, cancellation);
        try
        {
            if (!session.Facts.Trusted)
            {
                observer.Decided($"{builder.Name} does not trust the login: it gets whole derivations, and takes only inputs that are "
                    + "content-addressed or signed.");
            }
            if (await WhyNotHomeAsync(session, cancellation) is not { } why) return session;
            throw new BuilderException(
                builder.Name, BuilderFailure.Untrusted, $"What {builder.Name} builds cannot come home. {why}", LocalTrust.Recommendation);
        }
        catch
        {
            await CloseAsync(session);
            throw;
        }
    }

    /// <summary>Connects a machine that gets outputs, and builds nothing.</summary>
    /// <exception cref="BuilderException">It cannot be reached or used.</exception>
    public Task<BuilderSession> ConnectTargetAsync(NixBuilder machine, CancellationToken cancellation) =>
        sessions.OpenAsync(machine, useSubstitutes: false, cancellation, forNars: true);

    /// <summary>Closes a session before the run ends, with all that still goes on in it.</summary>
    public Task CloseAsync(BuilderSession session) => sessions.CloseAsync(session);

    private async Task<string?> WhyNotHomeAsync(BuilderSession session, CancellationToken cancellation)
    {
        var local = await localOpening;
        if (local.Facts.Trusted || request.CopyBack == CopyBack.None) return null;
        if (!session.Facts.Trusted) return $"Neither {session} nor the local store trusts this user.";
        return await LocalTrust.WhyNotAsync(session, local, cancellation);
    }
}

/// <summary>What came of connecting a builder: a session, or the reason why there is none.</summary>
/// <param name="Builder">The builder.</param>
/// <param name="Session">The session; null: there is none.</param>
/// <param name="Error">Why not.</param>
internal sealed record Connected(NixBuilder Builder, BuilderSession? Session, NixBuildFarmException? Error);
