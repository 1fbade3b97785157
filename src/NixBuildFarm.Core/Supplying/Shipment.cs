using System.Security.Cryptography;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Nar;
using NixBuildFarm.Work;

namespace NixBuildFarm.Supplying;

/// <summary>One path of a shipment, and the builder that gives it.</summary>
internal readonly record struct Parcel(PathInfo Info, BuilderSession From);

/// <summary>
/// Sends paths to a builder in one stream, without waiting for answers in between, and watches both sides: it stops if a holder sends
/// nothing or the builder takes nothing.
/// </summary>
/// <param name="to">The builder.</param>
/// <param name="parcels">The paths, each after those that it refers to.</param>
/// <param name="transfer">Decides when a piece is sent.</param>
/// <param name="catalog">Knows which paths need no check, and receives the arrived ones.</param>
/// <param name="meter">Measures the link.</param>
internal sealed class Shipment(BuilderSession to, IReadOnlyList<Parcel> parcels, Transfer transfer, PathCatalog catalog, LinkMeter meter)
{
    private readonly Dictionary<StorePath, BuilderSession> holders =
        parcels.ToDictionary(parcel => parcel.Info.Path, parcel => parcel.From);

    private readonly long bytes = parcels.Sum(parcel => parcel.Info.NarSize);

    /// <summary>Is called with each path as it begins to be sent; null: nobody minds.</summary>
    public Action<Parcel>? Begun { get; init; }

    /// <summary>Sends all of it.</summary>
    /// <param name="arrived">Is called with each path that has arrived.</param>
    /// <param name="sent">Is called with the number of bytes of each piece.</param>
    /// <param name="cancellation">Calls it off.</param>
    /// <exception cref="HolderFailedException">A holder could not give its path.</exception>
    /// <exception cref="BuilderException">The builder is lost.</exception>
    /// <exception cref="DaemonException">The builder refuses a path.</exception>
    public async Task SendAsync(Action<Parcel> arrived, Action<int>? sent, CancellationToken cancellation)
    {
        await using var feeds = new NarFeeds(parcels, cancellation);
        await to.UseForNarsAsync(bytes, daemon => SendAsync(daemon, feeds, arrived, sent, cancellation), cancellation);
    }

    private async Task SendAsync(
        DaemonConnection daemon, NarFeeds feeds, Action<Parcel> arrived, Action<int>? sent, CancellationToken cancellation)
    {
        using var measurement = Measure();
        using var taking = DaemonQuestion.Watch(daemon, BuilderSession.WorkLimit, transfer.Time, cancellation);
        try
        {
            await daemon.AddMultipleToStoreAsync([.. parcels.Select(Source)], MayGoUnchecked, taking.Token, Arrived);
        }
        catch (OperationCanceledException) when (taking.HasRunOut && !cancellation.IsCancellationRequested)
        {
            throw to.GiveUp($"has read nothing of {parcels[0].Info.Path} for {BuilderSession.WorkLimit.TotalMinutes} minutes");
        }
        catch (DaemonException e) when (e.RefusesContent && e.Refused is { } refused
            && holders[refused] is { Builder.IsLocal: false } holder)
        {
            throw new HolderFailedException(refused, holder, FalseContent(refused, holder, e));
        }
        catch (DaemonException e) when (e.RefusesNar)
        {
            var refused = parcels.First(parcel => parcel.Info.Path == e.Refused);
            // What the holder gives is as announced: it is the builder that reads it wrongly.
            if (await GivesAnnouncedAsync(refused, cancellation)) throw;
            throw Damaged(e.Refused!, new NarMismatchException(refused.Info, $"has another hash, as {to} found"));
        }
        catch (NarMismatchException e)
        {
            throw Damaged(e.Announced.Path, e);
        }
        // A transfer that had to wait says nothing about the link.
        if (!transfer.WasHeldBack) measurement?.Complete(bytes);

        bool MayGoUnchecked(PathInfo info) => to.Facts.Trusted && catalog.IsVouchedFor(info);

        // As with nix copy: the store that takes a path has not built it.
        NarSource Source(Parcel parcel) =>
            new(parcel.Info with { Ultimate = false }, (nar, stop) => GiveAsync(parcel, feeds[parcel.From], nar, taking, sent, stop));

        void Arrived(PathInfo info)
        {
            catalog.AddHolder(info.Path, to);
            arrived(new(info, holders[info.Path]));
        }
    }

    /// <summary>Passes one NAR on, and watches its holder. While the holder is awaited the builder is not.</summary>
    private async Task GiveAsync(Parcel parcel, NarFeed feed, Stream nar, SilenceWatch taking, Action<int>? sent, CancellationToken stop)
    {
        var (path, holder) = (parcel.Info.Path, parcel.From);
        Begun?.Invoke(parcel);
        using var giving = new SilenceWatch(holder.GivingLimit, transfer.Time, stop);
        await using var outlet = new TransferStream(nar, transfer, giving, taking, sent);
        taking.Hold();
        try
        {
            await feed.TakeAsync(outlet).WaitAsync(giving.Token);
        }
        catch (OperationCanceledException) when (giving.HasRunOut && !stop.IsCancellationRequested)
        {
            throw new HolderFailedException(
                path, holder, holder.GiveUp($"has sent nothing of {path} for {holder.GivingLimit.TotalMinutes} min"));
        }
        catch (NixBuildFarmException e) when (!outlet.HasFailed)
        {
            var isDamaged = e.InnerException is NarException { Id: NarException.Malformed };
            throw new HolderFailedException(path, holder, isDamaged ? new DamagedPathException(holder.Builder.Name, path, e) : e);
        }
        finally
        {
            taking.Resume();
        }
    }

    /// <summary>Asks the holder for the NAR once more, for its hash alone.</summary>
    private async Task<bool> GivesAnnouncedAsync(Parcel parcel, CancellationToken cancellation)
    {
        using var sha256 = SHA256.Create();
        await using var hashing = new CryptoStream(Stream.Null, sha256, CryptoStreamMode.Write);
        var hasRunOut = false;
        try
        {
            await parcel.From.UseForNarsAsync(parcel.Info.NarSize, AskAsync, cancellation);
            await hashing.FlushFinalBlockAsync(cancellation);
            return parcel.Info.NarHash.Equals(new(sha256.Hash));
        }
        catch (Exception e) when (e is NixBuildFarmException || (hasRunOut && !cancellation.IsCancellationRequested))
        {
            return false;
        }

        async Task AskAsync(DaemonConnection daemon)
        {
            using var giving = DaemonQuestion.Watch(daemon, parcel.From.GivingLimit, transfer.Time, cancellation);
            try
            {
                await daemon.CopyNarToAsync(parcel.Info.Path, hashing, giving.Token);
            }
            finally
            {
                hasRunOut = giving.HasRunOut;
            }
        }
    }

    private HolderFailedException Damaged(StorePath path, NarMismatchException mismatch)
    {
        var holder = holders[path];
        return new(path, holder, new DamagedPathException(holder.Builder.Name, path, mismatch));
    }

    private BuilderException FalseContent(StorePath path, BuilderSession holder, DaemonException refusal) =>
        ResultRule.Broken(
            holder.Builder.Name, $"sent contents of {path} that are not its contents, as {to} found: {refusal.Text.TrimEnd('.')}", refusal);

    /// <summary>
    /// Between two builders the slower link limits the rate, which says little about either: only transfers from or to this machine are
    /// measured.
    /// </summary>
    private LinkMeter.Measurement? Measure()
    {
        if (holders.Values.Distinct().Take(2).ToArray() is not [var from] || from.Builder.IsLocal == to.Builder.IsLocal) return null;
        return from.Builder.IsLocal ? meter.Begin(to.Builder.Name, toBuilder: true) : meter.Begin(from.Builder.Name, toBuilder: false);
    }
}
