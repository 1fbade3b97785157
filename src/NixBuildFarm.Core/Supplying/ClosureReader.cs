using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Work;

namespace NixBuildFarm.Supplying;

/// <summary>
/// Reads a store's information on a closure, level by level. The daemon gives one level of references in a round trip. If there are more
/// than a few levels, the store is asked for the whole closure, and then for the information on all of it at once; only paths that were
/// asked for are used.
/// </summary>
internal sealed class ClosureReader(BuilderSession at)
{
    /// <summary>Up to this number, single questions cost less than a channel for one that answers them all.</summary>
    private const int LevelsOneByOne = 4;

    /// <summary>More than any closure has: a builder must not make up paths for ever.</summary>
    private const int MostPaths = 1 << 20;

    private readonly Dictionary<StorePath, PathInfo> told = [];
    private int questions;

    /// <summary>Reads the next level.</summary>
    /// <param name="level">The paths of this level.</param>
    /// <param name="mayMatter">Whether a path that they refer to may be asked for later.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The store's information on the valid ones.</returns>
    /// <exception cref="Errors.BuilderException">It does not come to an end.</exception>
    public async Task<IReadOnlyDictionary<StorePath,
    PathInfo>> ReadAsync(IReadOnlyCollection<StorePath> level, Func<StorePath, bool> mayMatter, CancellationToken cancellation)
    {
        var asked = level.Where(path => !told.ContainsKey(path)).ToHashSet();
        if (asked.Count > 0)
        {
            if (told.Count + asked.Count > MostPaths)
            {
                throw ResultRule.Broken(at.Builder.Name, $"describes more than {MostPaths} paths for one question");
            }
            if (++questions == LevelsOneByOne) asked.UnionWith((await at.GuessClosureAsync(asked, cancellation)).Where(mayMatter));
            foreach (var info in (await at.AskAsync((daemon, token) => daemon.QueryPathInfosAsync(asked, token), cancellation)).Values)
            {
                told[info.Path] = info;
            }
        }
        return level.Where(told.ContainsKey).ToDictionary(path => path, path => told[path]);
    }
}
