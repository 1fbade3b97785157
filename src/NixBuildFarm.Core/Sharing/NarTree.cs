using NixBuildFarm.Store;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Sharing;

/// <summary>A small store path in memory.</summary>
internal abstract record NarTree
{
    private NarTree()
    {
    }

    /// <summary>An entry of a folder; null: there is none.</summary>
    public NarTree? Find(string name) => this is Folder folder ? folder.Entries.GetValueOrDefault(name) : null;

    /// <summary>A regular file.</summary>
    public sealed record File(ReadOnlyMemory<byte> Content) : NarTree;

    /// <summary>A symbolic link.</summary>
    public sealed record Link(string Target) : NarTree;

    /// <summary>A folder.</summary>
    public sealed record Folder(IReadOnlyDictionary<string, NarTree> Entries) : NarTree;

    /// <summary>Takes a NAR in pieces. More than a limit is refused, before it is in memory.</summary>
    /// <param name="limit">The most bytes of files and entries.</param>
    internal sealed class Reader(long limit)
    {
        private const int EntryCost = 256;

        private readonly NarParser parser = new();
        private readonly Stack<(string Name, Dictionary<string, NarTree> Entries)> open = new();
        private readonly Stack<string> names = new();
        private MemoryStream? content;
        private string? target;
        private NarTree? root;
        private long taken;

        /// <summary>The whole of it.</summary>
        /// <exception cref="OddFrameException">It has not come to its end.</exception>
        public NarTree Root => root is not null && parser.IsComplete ? root : throw new OddFrameException("a NAR has no end");

        /// <summary>Takes the next bytes.</summary>
        /// <exception cref="NarException">They are no NAR.</exception>
        /// <exception cref="OddFrameException">It is too large.</exception>
        public void Take(ReadOnlySpan<byte> data)
        {
            while (true)
            {
                switch (parser.Read(ref data, out var payload))
                {
                    case NarToken.None: return;
                    case NarToken.Directory: open.Push((Name(), [])); break;
                    case NarToken.Entry:
                        Count(EntryCost);
                        names.Push(NixText.GetString(payload));
                        break;
                    case NarToken.File: content = new(); break;
                    case NarToken.Contents:
                        Count(payload.Length);
                        content!.Write(payload);
                        break;
                    case NarToken.SymbolicLink: target = NixText.GetString(payload); break;
                    case NarToken.End: End(); break;
                }
            }
        }

        private void Count(long bytes)
        {
            taken += bytes;
            if (taken > limit) throw new OddFrameException($"a path has more than {limit} bytes");
        }

        private void End()
        {
            if (content is not null) Add(Name(), new File(content.GetBuffer().AsMemory(0, (int)content.Length)));
            else if (target is not null) Add(Name(), new Link(target));
            else if (open.TryPop(out var folder)) Add(folder.Name, new Folder(folder.Entries));
            (content, target) = (null, null);
        }

        private void Add(string name, NarTree node)
        {
            if (open.TryPeek(out var parent)) parent.Entries[name] = node;
            else root = node;
        }

        private string Name() => names.TryPop(out var name) ? name : "";
    }
}
