using NixBuildFarm.History;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;

namespace NixBuildFarm.Compiling;

/// <summary>Which of the compiles that are left in a store stay there, for later builds to find, and which go.</summary>
/// <param name="Kept">What stays, the newest first.</param>
/// <param name="Gone">What goes.</param>
internal sealed record CompileMemo(IReadOnlyList<KeptCompile> Kept, IReadOnlyList<StorePath> Gone)
{
    /// <summary>What a builder keeps where no policy says it, in bytes.</summary>
    public const long UsualSize = 512L << 20;

    /// <summary>Chooses: the newest stay as long as they have room.</summary>
    /// <param name="before">What is known to be there; of size 0: what is to be deleted.</param>
    /// <param name="left">
    /// What this run has left or used there, with the size of what was made; 0: an input of compiles, which nobody looks for.
    /// </param>
    /// <param name="room">The size of all that may stay, in bytes.</param>
    /// <param name="now">The time.</param>
    public static CompileMemo Choose(
        IReadOnlyList<KeptCompile> before, IReadOnlyDictionary<StorePath, long> left, long room, DateTimeOffset now)
    {
        var made = left.Where(path => path.Value > 0).OrderBy(path => path.Key)
            .Select(path => new KeptCompile(path.Key.ToString(), path.Value, now));
        var kept = new List<KeptCompile>();
        var gone = left.Where(path => path.Value == 0).Select(path => path.Key).ToList();
        foreach (var compile in made.Concat(before.OrderByDescending(compile => compile.UsedAt)).DistinctBy(compile => compile.Path))
        {
            // What is not of this form was not put there by us.
            if (!StorePath.TryParse(compile.Path, out var path) || !CompileDerivation.Leaves(path)) continue;
            if (compile.Bytes > 0 && compile.Bytes <= room)
            {
                kept.Add(compile);
                room -= compile.Bytes;
            }
            else
            {
                gone.Add(path);
            }
        }
        return new(kept, [.. gone.Distinct()]);
    }
}
