using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Copying;

/// <summary>
/// Copies store paths from one store to others, with all that they refer to. Streams through this machine's memory; paths that are valid at
/// the destination are not sent.
/// </summary>
public sealed class PathCopier
{
    private readonly PathCopyRequest request;
    private readonly IBuilderTransportFactory transports;
    private readonly ICopyObserver observer;
    private readonly PathCatalog catalog = new();
    private readonly Supply supply;

    /// <summary>Makes a copier; nothing happens yet.</summary>
    /// <param name="request">The paths and stores.</param>
    /// <param name="transports">How builders are reached, the local one too.</param>
    /// <param name="observer">Receives progress and results.</param>
    /// <param name="time">The clock; null: the machine's.</param>
    public PathCopier(PathCopyRequest request, IBuilderTransportFactory transports, ICopyObserver observer, TimeProvider? time = null)
    {
        this.request = request;
        this.transports = transports;
        this.observer = observer;
        var clock = time ?? TimeProvider.System;
        supply = new(catalog, new(clock, request.MaxUpload), new(new(clock), static _ => { }), observer.Degraded);
    }

    /// <summary>Copies the paths. The observer receives the result for each path and builder.</summary>
    /// <exception cref="BuilderException">The source cannot be reached or used.</exception>
    /// <exception cref="OperationCanceledException">The copy was stopped. Paths that have arrived stay.</exception>
    public async Task CopyAsync(CancellationToken cancellation)
    {
        await using var sessions = new SessionSet(transports, new() { Verbose = observer.Decided });
        var opening = sessions.OpenAsync(request.From, useSubstitutes: false, cancellation, forNars: true);
        var openings = request.To.Select(
            to => (Builder: to, Session: sessions.OpenAsync(to, useSubstitutes: false, cancellation, forNars: true)))
            .ToArray();
        var from = await opening;
        var paths = await FindAsync(from, cancellation);
        await Task.WhenAll(openings.Select(opening => CopyAsync(paths, from, opening.Builder, opening.Session, cancellation)));
        sessions.Complete();
    }

    /// <summary>The paths to copy, references first; protects them from the source's garbage collector.</summary>
    private async Task<IReadOnlyList<PathInfo>> FindAsync(BuilderSession from, CancellationToken cancellation)
    {
        await from.ProtectAsync(request.Paths, cancellation);
        await supply.Closures.DiscoverAsync(from, request.Paths, cancellation, believe: !request.CheckSignatures);
        foreach (var absent in request.Paths.Where(path => !catalog.Has(from, path)))
        {
            observer.PathFailed(
                absent.ToString(),
                new NixBuildFarmException(
                    "PathNotFound", $"{from} does not have {absent}.", "Build it, or name with -From a builder that has it."));
        }
        var closure = catalog.ClosureOf(request.Paths.Where(path => catalog.Has(from, path)));
        return request.Closure ? closure : [.. closure.Where(info => request.Paths.Contains(info.Path))];
    }

    private async Task CopyAsync(
        IReadOnlyList<PathInfo> paths, BuilderSession from, NixBuilder builder, Task<BuilderSession> opening,
        CancellationToken cancellation)
    {
        try
        {
            var to = await opening;
            await CopyAsync(paths, to, cancellation);
        }
        catch (DaemonException e) when (e.Builder == builder.Name)
        {
            var refusal = new NixBuildFarmException(
                "PathRefused", $"{builder.Name} refuses what {from} has: {e.Text}", await WhyRefusedAsync(e, from, opening), e);
            observer.Observe(new RunNews.BuilderFailed(builder, refusal));
        }
        catch (NixBuildFarmException e)
        {
            observer.Observe(new RunNews.BuilderFailed(builder, e));
        }
    }

    private async Task CopyAsync(IReadOnlyList<PathInfo> paths, BuilderSession to, CancellationToken cancellation)
    {
        var requested = request.Paths.ToHashSet();
        await supply.Closures.FindMissingAsync(to, paths, cancellation);
        var missing = paths.Where(info => !catalog.Has(to, info.Path)).ToArray();
        foreach (var there in paths.Except(missing).Where(info => requested.Contains(info.Path)))
        {
            Tell(there, StorePathCopyStatus.AlreadyValid, from: null);
        }

        var (copied, sent, bytes) = (0, 0L, missing.Sum(info => info.NarSize));
        observer.Progressed(new(to.Builder.Name, missing.Length, 0, bytes, 0));
        await supply.EnsureAsync(to, paths, new(TransferPurpose.Needed), cancellation, new(Arrived, Sent));

        void Arrived(Parcel parcel)
        {
            Tell(parcel.Info, StorePathCopyStatus.Copied, parcel.From);
            Interlocked.Increment(ref copied);
            Sent(0);
        }

        void Sent(int count) =>
            observer.Progressed(
                new(to.Builder.Name, missing.Length, Volatile.Read(ref copied), bytes, Math.Min(bytes, Interlocked.Add(ref sent, count))));

        void Tell(PathInfo info, StorePathCopyStatus status, BuilderSession? from) => observer.Copied(new()
        {
            Status = status,
            Path = info.Path.ToString(),
            From = from?.Builder.Name,
            To = to.Builder.Name,
            NarSize = info.NarSize,
            IsRequested = requested.Contains(info.Path),
        });
    }

    private async Task<string?> WhyRefusedAsync(DaemonException refusal, BuilderSession from, Task<BuilderSession> opening)
    {
        var isUnsigned = refusal.Text.Contains("signature", StringComparison.Ordinal);
        if (!request.Closure && !isUnsigned)
        {
            return "-NoClosure copies a path only to a store that has everything it refers to: leave it out.";
        }
        var to = await opening;
        if (to.Facts.Trusted)
        {
            return isUnsigned
                ? $"Sign it on {from} (nix store sign --recursive) with a key that is in the trusted-public-keys of {to}. Or, if you would "
                    + $"let {from} put anything into the store of {to}, copy with -NoCheckSignature."
                : null;
        }
        var (whom, file) = to.Builder.IsLocal ? ("this user", "the local /etc/nix/nix.conf") : ("the login", $"/etc/nix/nix.conf of {to}");
        return $"{to} does not trust {whom}, so it accepts only paths that are signed with a key that it trusts. "
            + $"Either add {whom} to trusted-users in {file}; or sign the paths (nix store sign) with a key that is in its "
            + "trusted-public-keys.";
    }
}
