using NixBuildFarm.Errors;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Protocol;

// NARs and logs: data too large for memory.
internal sealed partial class DaemonConnection
{
    // The text nix-archive-1 with its length and padding. No NAR ends less than a number after it.
    private const int NarMarkSize = 24;

    /// <summary>Copies the NAR of a path to a stream, in bounded memory.</summary>
    /// <param name="path">A valid path.</param>
    /// <param name="destination">Where it goes; it is not closed. When this fails, part of the NAR may have been written.</param>
    /// <param name="cancellation">Closes the connection.</param>
    /// <returns>Hash and size of the NAR, for the caller to compare with the registration.</returns>
    /// <exception cref="DaemonException">The path is not valid; Nix's daemon then ends the connection.</exception>
    public Task<NarDigest> CopyNarToAsync(StorePath path, Stream destination, CancellationToken cancellation) => ExclusiveAsync(
        async token =>
        {
            var request = new NarFromPathRequest(path);
            Put(request);
            await FlushAsync(token);
            await ReceiveAsync(request, sink: null, token);
            await ThrowLateRefusalAsync(token);
            return await ReadNarAsync(path, nar => NarReader.CopyAsync(nar, destination, token));
        },
        cancellation);

    /// <summary>
    /// Passes on the NARs of paths one after the other, in bounded memory. All are requested at once, in one round trip; the daemon waits
    /// while a NAR is not read.
    /// </summary>
    /// <param name="paths">Valid paths. Whether their NARs are those that are registered is for the taker to check.</param>
    /// <param name="takeAsync">
    /// Called for each path in turn; calls its argument with the destination of the NAR. An exception of it breaks the connection and is
    /// passed on.
    /// </param>
    /// <param name="cancellation">Closes the connection.</param>
    /// <exception cref="DaemonException">A path is not valid; Nix's daemon then ends the connection.</exception>
    public Task CopyNarsAsync(
        IReadOnlyCollection<StorePath> paths, Func<StorePath, Func<Stream, Task>, Task> takeAsync, CancellationToken cancellation)
    {
        return ExclusiveAsync(
            token => BothAsync(SendAllAsync(paths.Select(path => new NarFromPathRequest(path)), token), ReadAllAsync(token)), cancellation);

        async Task<Done> ReadAllAsync(CancellationToken token)
        {
            foreach (var path in paths)
            {
                await ReceiveAsync(new NarFromPathRequest(path), sink: null, token);
                await ThrowLateRefusalAsync(token);
                await takeAsync(path, destination => ReadNarAsync(path, nar => PassAsync(nar, destination, token)));
            }
            return default;
        }

        static async Task<Done> PassAsync(Stream nar, Stream destination, CancellationToken token)
        {
            await NarReader.PassAsync(nar, destination, token);
            return default;
        }
    }

    /// <summary>Adds a path to the store.</summary>
    /// <param name="source">The path and its NAR, which is counted on its way. The daemon hashes it.</param>
    /// <param name="dontCheckSignatures">Whether it needs no signature; without trust the daemon ignores this.</param>
    /// <param name="cancellation">Closes the connection.</param>
    /// <exception cref="DaemonException">The daemon refuses the path, e.g. for want of a signature.</exception>
    /// <exception cref="NarMismatchException">
    /// The NAR is not the one that was announced. The daemon does not see its end, and the connection is closed.
    /// </exception>
    public Task AddToStoreNarAsync(NarSource source, bool dontCheckSignatures, CancellationToken cancellation) =>
        AddMultipleToStoreAsync([source], _ => dontCheckSignatures, cancellation);

    /// <summary>Adds paths to the store, one NAR after the other without waiting between them, in bounded memory.</summary>
    /// <remarks>
    /// This is not the operation AddMultipleToStore, but a pipeline of AddToStoreNar: as few round trips, an error costs only its own path,
    /// and paths that are valid already do no harm, which the other operation takes for garbage before Nix 2.18 (NixOS/nix#6253).
    /// </remarks>
    /// <param name="sources">The paths and their NARs. A path must come after those that it refers to, unless the store has them.</param>
    /// <param name="dontCheckSignatures">Whether a path needs no signature; without trust the daemon ignores this.</param>
    /// <param name="cancellation">Closes the connection.</param>
    /// <param name="added">Is called with each path as soon as the daemon says that it has it.</param>
    /// <exception cref="DaemonException">The daemon refuses a path: the first such error. The others have been added.</exception>
    /// <exception cref="NarMismatchException">
    /// A size is 0, and nothing has been sent. Or: a NAR is not the one that was announced. The daemon does not see its end, and the
    /// connection is closed; some of those before it may have been added.
    /// </exception>
    public Task AddMultipleToStoreAsync(
        IReadOnlyList<NarSource> sources, Func<PathInfo, bool> dontCheckSignatures, CancellationToken cancellation,
        Action<PathInfo>? added = null)
    {
        foreach (var source in sources) RequireSize(source);
        return SendBodiesAsync(
            [.. sources.Select(source => new RequestWithBody(
                new AddToStoreNarRequest(source.Info, dontCheckSignatures(source.Info)),
                (body, token) => WriteNarAsync(source, body, token)))],
            cancellation,
            accepted: index => added?.Invoke(sources[index].Info),
            refused: (index, refusal) => refusal.Refused = sources[index].Info.Path);
    }

    /// <summary>
    /// Tells the store where outputs are whose paths were known only after the build. The paths must be valid there. A store that looks
    /// outputs up by resolved derivations is told of those whose is known.
    /// </summary>
    /// <exception cref="DaemonException">The store knows no content-addressed derivations, or another path for the same output.</exception>
    public Task RegisterRealisationsAsync(IReadOnlyCollection<Realisation> realisations, CancellationToken cancellation) => PipelineAsync(
        [
            .. realisations.Where(realisation => !Version.HasRealisationsByPath || realisation.Resolved is not null)
                .Select(realisation => new RegisterRealisationRequest(realisation)),
        ],
        cancellation);

    /// <summary>Gives the store the log of a build that was carried out elsewhere; needs trust.</summary>
    /// <param name="derivation">The derivation that was built.</param>
    /// <param name="log">The log.</param>
    /// <param name="cancellation">Closes the connection.</param>
    /// <exception cref="DaemonException">The daemon refuses it; the connection is then closed.</exception>
    public async Task AddBuildLogAsync(StorePath derivation, Stream log, CancellationToken cancellation)
    {
        try
        {
            await SendBodiesAsync([new(new AddBuildLogRequest(derivation), log.CopyToAsync)], cancellation);
        }
        catch (DaemonException e) when (e.Connection == this)
        {
            // Nix's daemon refuses the untrusted before it reads the body, and takes the body for requests.
            Break(e);
            throw;
        }
    }

    private static async Task WriteNarAsync(NarSource source, Stream body, CancellationToken cancellation)
    {
        await using var nar = new SizedNarStream(body, source.Info);
        await source.WriteNarAsync(nar, cancellation);
        nar.Verify();
    }

    private static void RequireSize(NarSource source)
    {
        // Nix has 0 for a size that it does not know, and no NAR is empty.
        if (source.Info.NarSize <= 0) throw new NarMismatchException(source.Info, "is not empty");
    }

    /// <summary>
    /// Nix's daemon finds out that there is no such path only after it has said that all is well, and says so in place of the NAR, or after
    /// the mark that every NAR begins with.
    /// </summary>
    private async Task ThrowLateRefusalAsync(CancellationToken token)
    {
        foreach (var offset in new[] { 0, NarMarkSize })
        {
            if (await reader.PeekUInt64Async(offset, token) != StderrFrame.ErrorTag) continue;
            reader.Skip(offset);
            var refusal = Refusal((await StderrFrame.ReadAsync(reader, token)).Error!);
            Break(refusal);
            throw refusal;
        }
    }

    private async Task<TResult> ReadNarAsync<TResult>(StorePath path, Func<Stream, Task<TResult>> readAsync)
    {
        await using var nar = new RawStream(reader);
        try
        {
            return await readAsync(nar);
        }
        catch (NarException e)
        {
            throw Fault(
                e.Id == NarException.Truncated ? BuilderFailure.ConnectionLost : BuilderFailure.Incompatible,
                $"{options.Builder} did not send a whole NAR of {path}: {e.Message}",
                e,
                e.Recommendation);
        }
    }
}
