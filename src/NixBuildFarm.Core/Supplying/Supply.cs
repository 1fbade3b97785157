using NixBuildFarm.Errors;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>
/// Sends store paths to where they are needed. Paths that are valid there are skipped; the others stream, references first, from a holder
/// through this machine's memory. The number of round trips does not grow with the number of paths.
/// </summary>
/// <param name="catalog">The holders of paths; kept up to date.</param>
/// <param name="transfers">Decides which of the transfers under way goes first.</param>
/// <param name="meter">Measures the links.</param>
/// <param name="warn">Receives a message about each holder that could not give a path.</param>
/// <param name="home">
/// The local store, if all outputs are copied back to it anyway; null: outputs go directly from builder to builder.
/// </param>
internal sealed class Supply(
    PathCatalog catalog, TransferScheduler transfers, LinkMeter meter, Action<string> warn, BuilderSession? home = null)
{
    private readonly Deliveries deliveries = new(catalog);

    /// <summary>Is told of each copy of a path; null: nobody is.</summary>
    public IBuildObserver? Observer { get; init; }

    /// <summary>Finds out which paths stores have.</summary>
    public Closures Closures { get; } = new(catalog);

    /// <inheritdoc cref="TransferScheduler.PayAsync"/>
    public ValueTask PayAsync(BuilderSession to, long bytes, CancellationToken cancellation) =>
        transfers.PayAsync(to.Builder, bytes, cancellation);

    /// <summary>
    /// Makes the paths and all that they refer to valid at a builder, protected there from its garbage collector for as
    /// long as the session lives.
    /// </summary>
    /// <param name="to">The builder.</param>
    /// <param name="paths">The paths; the catalog knows what they refer to.</param>
    /// <param name="urgency">How much it matters.</param>
    /// <param name="cancellation">Calls it off.</param>
    /// <param name="wantedBy">The derivation that needs them there; null: none in particular.</param>
    /// <returns>Bytes of NARs that were sent for this.</returns>
    /// <exception cref="BuilderException">The builder, or every holder of a path, is lost.</exception>
    /// <exception cref="DaemonException">The builder refuses a path.</exception>
    /// <exception cref="NixBuildFarmException">Every copy of a path is damaged, or there is none.</exception>
    public Task<long> EnsureAsync(
        BuilderSession to, IReadOnlyCollection<StorePath> paths, Urgency urgency, CancellationToken cancellation,
        StorePath? wantedBy = null) =>
        EnsureAsync(to, catalog.ClosureOf(paths), urgency, cancellation, wantedBy: wantedBy);

    /// <summary>The same for these paths alone.</summary>
    /// <param name="to">The builder.</param>
    /// <param name="paths">The paths, references first; the catalog knows their holders.</param>
    /// <param name="urgency">How much it matters.</param>
    /// <param name="cancellation">Calls it off.</param>
    /// <param name="progress">Receives progress; null: none.</param>
    /// <param name="wantedBy">The derivation that needs them there; null: none in particular.</param>
    public async Task<long> EnsureAsync(
        BuilderSession to, IReadOnlyList<PathInfo> paths, Urgency urgency, CancellationToken cancellation, SupplyProgress? progress = null,
        StorePath? wantedBy = null)
    {
        var bytes = 0L;
        await Closures.FindMissingAsync(to, paths, cancellation);
        while (true)
        {
            using var transfer = transfers.Begin(to.Builder, urgency);
            using var claim = deliveries.Claim(to, paths, transfer);
            if (claim.IsEmpty) return bytes;
            await claim.WaitForOthersAsync(cancellation);
            await SendAsync(to, claim.Mine, transfer, new(Arrived, progress?.Sent), wantedBy, cancellation);

            void Arrived(Parcel parcel)
            {
                bytes += parcel.Info.NarSize;
                progress?.Arrived(parcel);
                claim.Release(parcel.Info.Path);
            }
        }
    }

    /// <summary>Sends all of it. A holder that fails is passed over where another one has the path as well.</summary>
    private async Task SendAsync(
        BuilderSession to, IReadOnlyList<PathInfo> paths, Transfer transfer, SupplyProgress progress, StorePath? wantedBy,
        CancellationToken cancellation)
    {
        var avoided = new HashSet<BuilderSession>();
        var left = paths;
        while (left.Count > 0)
        {
            RefuseUnsigned(to, left);
            await BringHomeAsync(to, left, transfer.Urgency, wantedBy, cancellation);
            using var news = Observer is null ? null : new ShipmentNews(Observer, to, wantedBy, left.Count);
            try
            {
                await new Shipment(to, [.. left.Select(info => new Parcel(info, HolderOf(info)))], transfer, catalog, meter)
                {
                    Begun = news is null ? null : news.Begin,
                }.SendAsync(
                    arrived: parcel =>
                    {
                        news?.Arrive(parcel);
                        progress.Arrived(parcel);
                    },
                    sent: news is null ? progress.Sent : progress.Sent + news.Sent,
                    cancellation);
                return;
            }
            catch (HolderFailedException e)
            {
                PassOver(e, avoided);
            }
            await Closures.FindMissingAsync(to, left, cancellation);
            left = [.. left.Where(info => !catalog.Has(to, info.Path))];
        }

        BuilderSession HolderOf(PathInfo info) => catalog.NearestHolderOf(info.Path, avoided) ?? throw new PathLostException(info.Path);
    }

    private void PassOver(HolderFailedException failed, HashSet<BuilderSession> avoided)
    {
        // A lost holder gives nothing at all; one whose copy is damaged, or gone, may give the others.
        if (failed.Problem is BuilderException) avoided.Add(failed.Holder);
        else catalog.Remove(failed.Path, failed.Holder);
        if (catalog.NearestHolderOf(failed.Path, avoided) is not { } next) throw failed.Problem;
        warn($"{failed.Holder} cannot send {failed.Path}, so it is fetched from {next}: {failed.Problem.Message}");
    }

    /// <summary>
    /// Outputs that are copied back anyway are copied back first, and sent from here: so they pass their holder's link once.
    /// </summary>
    private async Task BringHomeAsync(
        BuilderSession to, IEnumerable<PathInfo> paths, Urgency urgency, StorePath? wantedBy, CancellationToken cancellation)
    {
        if (home is null || to == home) return;
        StorePath[] elsewhere = [.. paths.Select(info => info.Path).Where(path => !catalog.Has(home, path))];
        if (elsewhere.Length == 0) return;
        try
        {
            await EnsureAsync(home, elsewhere, urgency, cancellation, wantedBy);
        }
        catch (NixBuildFarmException e) when (e is not BuilderException { Failure: BuilderFailure.FalseResult })
        {
            warn($"{to} gets its inputs directly from their builders, since they could not be copied back first: {e.Message}");
        }
    }

    /// <summary>
    /// A daemon accepts from a user that it does not trust only content-addressed or signed paths. The daemon itself knows the keys.
    /// </summary>
    private static void RefuseUnsigned(BuilderSession to, IReadOnlyList<PathInfo> paths)
    {
        if (to.Facts.Trusted) return;
        var refused = paths.FirstOrDefault(info => info.ContentAddress is null && info.Signatures.Count == 0);
        if (refused is not null) throw new UnsignedPathException(to.Builder.Name, refused.Path);
    }
}

/// <summary>Receives the progress of a supply.</summary>
/// <param name="Arrived">Receives each path that has arrived, and its holder.</param>
/// <param name="Sent">Is called with the number of bytes of each piece; null: nobody counts them.</param>
internal sealed record SupplyProgress(Action<Parcel> Arrived, Action<int>? Sent);
