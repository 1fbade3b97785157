using NixBuildFarm.Sessions;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>
/// Which builder of the run has which path, and what is known of each path. Asked once, kept up to date as paths are
/// built and copied. Safe for concurrent use.
/// </summary>
internal sealed class PathCatalog
{
    private readonly object gate = new();
    private readonly Dictionary<StorePath, Entry> entries = [];

    /// <summary>
    /// Notes what a builder says of a path that it has. Not every build gives the same bytes each time: who has others than those that are
    /// known already is not asked for them.
    /// </summary>
    /// <param name="info">What it says.</param>
    /// <param name="holder">The builder.</param>
    /// <param name="isVouchedFor">
    /// Whether that is to be believed; else who takes the path has to check its content address or signatures. What is not gives way to
    /// what is.
    /// </param>
    public void Add(PathInfo info, BuilderSession holder, bool isVouchedFor)
    {
        lock (gate)
        {
            if (!entries.TryGetValue(info.Path, out var entry)) entries.Add(info.Path, entry = new(info, isVouchedFor));
            var isSame = entry.Info.NarHash == info.NarHash;
            if (entry.Holders.Count == 0 || (isVouchedFor && !entry.IsVouchedFor))
            {
                if (!isSame) entry.Holders.Clear();
                (entry.Info, entry.IsVouchedFor) = (info, isVouchedFor);
            }
            else if (!isSame)
            {
                return;
            }
            entry.Holders.Add(holder);
        }
    }

    /// <summary>Notes that a builder has a path of which all else is known.</summary>
    public void AddHolder(StorePath path, BuilderSession holder)
    {
        lock (gate) entries[path].Holders.Add(holder);
    }

    /// <summary>
    /// Whether who takes a path, described so, need not check its content address or signatures. What somebody else has said of the same
    /// path, and is still on its way, is not vouched for by that.
    /// </summary>
    public bool IsVouchedFor(PathInfo info)
    {
        lock (gate)
        {
            return entries.TryGetValue(info.Path, out var entry) && entry.IsVouchedFor
                && entry.Info.NarHash == info.NarHash && entry.Info.ContentAddress == info.ContentAddress
                && entry.Info.References.SequenceEqual(info.References);
        }
    }

    /// <summary>Notes that what a builder has of a path is of no use.</summary>
    public void Remove(StorePath path, BuilderSession holder)
    {
        lock (gate)
        {
            if (entries.TryGetValue(path, out var entry)) entry.Holders.Remove(holder);
        }
    }

    /// <summary>Notes that a builder, which is gone, has nothing any more; returns the paths that nobody has now.</summary>
    public IReadOnlyList<StorePath> Forget(BuilderSession holder)
    {
        lock (gate)
        {
            var lost = new List<StorePath>();
            foreach (var (path, entry) in entries)
            {
                if (entry.Holders.Remove(holder) && entry.Holders.Count == 0) lost.Add(path);
            }
            return lost;
        }
    }

    /// <summary>What is known of a path that some builder has; null when nobody has it.</summary>
    public PathInfo? Find(StorePath path)
    {
        lock (gate) return entries.TryGetValue(path, out var entry) && entry.Holders.Count > 0 ? entry.Info : null;
    }

    /// <summary>Whether a builder is known to have a path.</summary>
    public bool Has(BuilderSession holder, StorePath path)
    {
        lock (gate) return entries.TryGetValue(path, out var entry) && entry.Holders.Contains(holder);
    }

    /// <summary>
    /// Who can give a path, save those to avoid: the local store if it has it, for that costs one hop less; null when nobody has it.
    /// </summary>
    public BuilderSession? NearestHolderOf(StorePath path, IReadOnlySet<BuilderSession> avoid)
    {
        lock (gate)
        {
            return entries.TryGetValue(path, out var entry)
                ? entry.Holders.Where(holder => !avoid.Contains(holder)).MaxBy(holder => holder.Builder.IsLocal)
                : null;
        }
    }

    /// <summary>The paths and all that they refer to, references first. Only of paths that are known, closures included.</summary>
    /// <exception cref="PathLostException">Nothing is known of a path: no builder has said that it has it.</exception>
    public IReadOnlyList<PathInfo> ClosureOf(IEnumerable<StorePath> roots)
    {
        lock (gate)
        {
            var closure = new List<PathInfo>();
            var seen = new HashSet<StorePath>();
            // Depth first without recursion: a path is listed when all that it refers to has been.
            var stack = new Stack<(PathInfo Info, int Next)>();
            foreach (var root in roots)
            {
                if (seen.Add(root)) stack.Push((Known(root), 0));
                while (stack.TryPop(out var top))
                {
                    if (top.Next == top.Info.References.Count)
                    {
                        closure.Add(top.Info);
                        continue;
                    }
                    stack.Push((top.Info, top.Next + 1));
                    var reference = top.Info.References[top.Next];
                    if (seen.Add(reference)) stack.Push((Known(reference), 0));
                }
            }
            return closure;
        }

        PathInfo Known(StorePath path) => entries.TryGetValue(path, out var entry) ? entry.Info : throw new PathLostException(path);
    }

    /// <summary>
    /// For each of some jobs the size of what it alone needs, directly or not, of the paths that are known. What several need is sent to a
    /// builder once, and so is no part of what one of them costs there.
    /// </summary>
    /// <param name="inputs">What each job needs directly.</param>
    public long[] OwnBytes(IReadOnlyList<IReadOnlyList<StorePath>> inputs)
    {
        const int Shared = -1;
        lock (gate)
        {
            // A path goes from nobody to one job and from there to all: so each is passed twice at most, however many jobs need it.
            var owners = new Dictionary<StorePath, int>();
            var open = new Stack<StorePath>();
            for (var job = 0; job < inputs.Count; job++)
            {
                foreach (var input in inputs[job]) open.Push(input);
                while (open.TryPop(out var path))
                {
                    if (!entries.TryGetValue(path, out var entry)) continue;
                    if (!owners.TryGetValue(path, out var owner)) owners.Add(path, job);
                    else if (owner == job || owner == Shared) continue;
                    else owners[path] = Shared;
                    foreach (var reference in entry.Info.References) open.Push(reference);
                }
            }
            var bytes = new long[inputs.Count];
            foreach (var (path, owner) in owners)
            {
                if (owner != Shared) bytes[owner] += entries[path].Info.NarSize;
            }
            return bytes;
        }
    }

    private sealed class Entry(PathInfo info, bool isVouchedFor)
    {
        public PathInfo Info { get; set; } = info;

        public bool IsVouchedFor { get; set; } = isVouchedFor;

        public HashSet<BuilderSession> Holders { get; } = [];
    }
}
