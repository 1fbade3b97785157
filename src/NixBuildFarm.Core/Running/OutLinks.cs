using NixBuildFarm.Store;

namespace NixBuildFarm.Running;

/// <summary>Links to what a run was asked for, named as Nix names them: <c>result</c>, <c>result-dev</c>, <c>result-2</c>.</summary>
internal static class OutLinks
{
    /// <summary>Makes the links, and has the local store keep what they point to.</summary>
    /// <param name="link">Path of the first link.</param>
    /// <param name="results">What came of the run; what was asked for and succeeded is linked.</param>
    /// <param name="local">The local store.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="NixBuildFarmException">A link cannot be made.</exception>
    public static async Task MakeAsync(string link, IEnumerable<NixBuildResult> results, BuilderSession local, CancellationToken cancellation)
    {
        var number = 0;
        foreach (var result in results.Where(result => result.IsRequested && result.Success))
        {
            number++;
            foreach (var (output, path) in result.Outputs)
            {
                var name = link + (number > 1 ? $"-{number}" : "") + (output == "out" ? "" : $"-{output}");
                Replace(Path.GetFullPath(name), path);
                await local.AskAsync((daemon, token) => daemon.AddIndirectRootAsync(Path.GetFullPath(name), token), cancellation);
            }
        }
    }

    private static void Replace(string link, string target)
    {
        try
        {
            // Only a link that points into the store is ours to replace.
            if (new FileInfo(link).LinkTarget?.StartsWith(StorePath.StoreFolder, StringComparison.Ordinal) == true) File.Delete(link);
            File.CreateSymbolicLink(link, target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException("OutLinkFailed", $"The link {link} → {target} cannot be made: {e.Message}", "Name another place with -OutLink.", e);
        }
    }
}
