using NixBuildFarm.Sessions;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>
/// Which builders of the run have which paths, and the information on each path. Kept up to date as paths are built and copied. Safe for
/// concurrent use.
/// </summary>
internal sealed class PathCatalog
{
    private readonly object gate = new();
    private readonly Dictionary<StorePath, Entry> entries = [];
    private readonly HashSet<BuilderSession> takers = [];

    /// <summary>
    /// Records a builder's information on a path that it has. Not every build gives the same bytes: a builder with other bytes than the
    /// known ones is not used as a source.
    /// </summary>
    /// <param name="info">The information.</param>
    /// <param name="holder">The builder.</param>
    /// <param name="isVouchedFor">
    /// Whether the information is trusted; otherwise the destination has to check the content address or the signatures. Trusted
    /// information replaces other.
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

    /// <summary>Notes a machine that gets paths and gives none: what only it has is lost to the run.</summary>
    public void AddTaker(BuilderSession taker)
    {
        lock (gate) takers.Add(taker);
    }

    /// <summary>Notes that a builder has a path of which all else is known.</summary>
    public void AddHolder(StorePath path, BuilderSession holder)
    {
        lock (gate) entries[path].Holders.Add(holder);
    }

    /// <summary>
    /// Whether a path with this information can be accepted without checking its content address or signatures. Another builder's
    /// information on the same path does not count.
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

    /// <summary>Records that a builder's copy of a path cannot be used.</summary>
    public void Remove(StorePath path, BuilderSession holder)
    {
        lock (gate)
        {
            if (entries.TryGetValue(path, out var entry)) entry.Holders.Remove(holder);
        }
    }

    /// <summary>Removes a lost builder; returns the paths that no builder has any more.</summary>
    public IReadOnlyList<StorePath> Forget(BuilderSession holder)
    {
        lock (gate)
        {
            var lost = new List<StorePath>();
            foreach (var (path, entry) in entries)
            {
                if (entry.Holders.Remove(holder) && !HasGiver(entry)) lost.Add(path);
            }
            takers.Remove(holder);
            return lost;
        }
    }

    /// <summary>The information on a path; null when no builder has it.</summary>
    public PathInfo? Find(StorePath path)
    {
        lock (gate) return entries.TryGetValue(path, out var entry) && HasGiver(entry) ? entry.Info : null;
    }

    /// <summary>Whether a builder is known to have a path.</summary>
    public bool Has(BuilderSession holder, StorePath path)
    {
        lock (gate) return entries.TryGetValue(path, out var entry) && entry.Holders.Contains(holder);
    }

    /// <summary>
    /// The best holder of a path, except those to avoid: the local store if it has it, which saves a hop; null when there is none.
    /// </summary>
    public BuilderSession? NearestHolderOf(StorePath path, IReadOnlySet<BuilderSession> avoid)
    {
        lock (gate)
        {
            return entries.TryGetValue(path, out var entry)
                ? entry.Holders.Where(holder => !avoid.Contains(holder) && !takers.Contains(holder)).MaxBy(holder => holder.Builder.IsLocal)
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
    /// For each of some jobs, the size of the known paths that only this job needs, directly or not. Paths that several jobs need are sent
    /// to a builder once, so they do not count for the placement of one job.
    /// </summary>
    /// <param name="inputs">The direct inputs of each job.</param>
    public long[] OwnBytes(IReadOnlyList<IReadOnlyList<StorePath>> inputs)
    {
        const int Shared = -1;
        lock (gate)
        {
            // A path goes from unneeded to needed by one job to needed by several: so each is visited at most twice, however many jobs need
            // it.
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

    private bool HasGiver(Entry entry) => entry.Holders.Any(holder => !takers.Contains(holder));

    private sealed class Entry(PathInfo info, bool isVouchedFor)
    {
        public PathInfo Info { get; set; } = info;

        public bool IsVouchedFor { get; set; } = isVouchedFor;

        public HashSet<BuilderSession> Holders { get; } = [];
    }
}
