using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol;

// What is kept from being collected.
internal sealed partial class DaemonConnection
{
    /// <summary>
    /// Keeps these paths from being collected for as long as this connection lasts, in one round trip. The paths need not be valid yet, so
    /// ask for their validity only afterwards: then nothing that is found valid can vanish.
    /// </summary>
    public Task AddTempRootsAsync(IReadOnlyCollection<StorePath> paths, CancellationToken cancellation) =>
        PipelineAsync([.. paths.Select(path => new AddTempRootRequest(path))], cancellation);

    /// <summary>Deletes paths that nobody needs.</summary>
    /// <param name="paths">The paths; those that are not there count for nothing.</param>
    /// <param name="cancellation">Closes the connection.</param>
    /// <returns>Bytes that are free now.</returns>
    /// <exception cref="DaemonException">One of them is needed: some of the others may have been deleted.</exception>
    public Task<long> DeletePathsAsync(IReadOnlyCollection<StorePath> paths, CancellationToken cancellation) =>
        RequestAsync(new DeletePathsRequest(paths), sink: null, cancellation);

    /// <summary>Registers a symbolic link on the daemon's machine as a root: what it leads to is kept for as long as it exists.</summary>
    /// <param name="link">The absolute path of the link.</param>
    /// <param name="cancellation">Closes the connection.</param>
    public Task AddIndirectRootAsync(string link, CancellationToken cancellation) =>
        RequestAsync(new AddIndirectRootRequest(link), sink: null, cancellation);
}
