using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;

namespace NixBuildFarm.FollowUp;

/// <summary>
/// Links to the results of a run, named as Nix names them: <c>result</c>, <c>result-dev</c>; the second is <c>result-1</c> as with <c>nix
/// build</c>, or <c>result-2</c> as with <c>nix-build</c>.
/// </summary>
/// <param name="link">Path of the first link.</param>
/// <param name="secondNumber">The number of the second one.</param>
internal sealed class OutLinks(string link, int secondNumber)
{
    /// <summary>Sees that links can be made there, before anything is built.</summary>
    /// <exception cref="NixBuildFarmException">They cannot.</exception>
    public void CheckFolder()
    {
        var folder = Path.GetDirectoryName(link) ?? "/";
        if (!Directory.Exists(folder)) throw Failed($"There is no folder {folder} for the link {Path.GetFileName(link)}.");
        CheckName(link);
        var trial = Path.Combine(folder, $".{Path.GetFileName(link)}-{Guid.NewGuid():N}");
        try
        {
            File.CreateSymbolicLink(trial, StorePath.StoreFolder);
            File.Delete(trial);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed($"No link can be made in {folder}: {e.Message}", e);
        }
    }

    /// <summary>Sees that nothing else is in the place of a link.</summary>
    /// <exception cref="NixBuildFarmException">Something is.</exception>
    public void CheckNames(IReadOnlyList<RequestedDerivation> requested)
    {
        for (var index = 0; index < requested.Count; index++)
        {
            foreach (var output in requested[index].Outputs.DefaultIfEmpty("out")) CheckName(NameOf(index, output));
        }
    }

    /// <summary>Makes the links, and registers them as roots of the local store.</summary>
    /// <param name="requested">The requested derivations; the position in this list gives a link its number.</param>
    /// <param name="results">The results of the run; successful ones that are in the local store are linked.</param>
    /// <param name="local">The local store.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="NixBuildFarmException">A link cannot be made.</exception>
    public async Task MakeAsync(
        IReadOnlyList<RequestedDerivation> requested, IEnumerable<NixBuildResult> results, BuilderSession local,
        CancellationToken cancellation)
    {
        var succeeded = results.Where(result => result.IsRequested && result.Success).ToDictionary(result => result.DerivationPath);
        for (var index = 0; index < requested.Count; index++)
        {
            if (!succeeded.TryGetValue(requested[index].Derivation.ToString(), out var result)) continue;
            var wanted = requested[index].Outputs;
            foreach (
                var (output, path) in result.Outputs.Where(
                    output => (wanted.Count == 0 || wanted.Contains(output.Key)) && Path.Exists(output.Value)))
            {
                var name = NameOf(index, output);
                Replace(name, path);
                await local.AskAsync((daemon, token) => daemon.AddIndirectRootAsync(name, token), cancellation);
                // A collection that has looked at the links before may look at the temp roots when this session is over: what it is told
                // of while it runs, it keeps. Each later one sees the link.
                await local.ProtectAsync([StorePath.Parse(path)], cancellation);
            }
        }
    }

    private string NameOf(int index, string output) =>
        Path.GetFullPath(link + (index > 0 ? $"-{index - 1 + secondNumber}" : "") + (output == "out" ? "" : $"-{output}"));

    // Only a link that points into the store is ours to replace.
    private static bool IsOurs(string name) =>
        new FileInfo(name).LinkTarget?.StartsWith(StorePath.StoreFolder, StringComparison.Ordinal) == true;

    private static void CheckName(string name)
    {
        if (IsOurs(name) || !(Path.Exists(name) || new FileInfo(name).LinkTarget is not null)) return;
        throw Failed($"{name} exists, and is no link into the store.");
    }

    private static void Replace(string name, string target)
    {
        try
        {
            if (IsOurs(name)) File.Delete(name);
            File.CreateSymbolicLink(name, target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed($"The link {name} → {target} cannot be made: {e.Message}", e);
        }
    }

    private static NixBuildFarmException Failed(string message, Exception? inner = null) =>
        new("OutLinkFailed", message, "Name another place with -OutLink.", inner);
}
