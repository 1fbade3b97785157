using NixBuildFarm.Store;

namespace NixBuildFarm.Compiling;

/// <summary>
/// Files that shims have sent, for the next helper that lacks them: a header that many units share leaves its builder once. The oldest give way.
/// Safe for concurrent use.
/// </summary>
/// <param name="capacity">Bytes that are kept at most.</param>
internal sealed class FileContents(long capacity)
{
    private readonly object gate = new();
    private readonly Dictionary<StorePath, ReadOnlyMemory<byte>> contents = [];
    private readonly Queue<StorePath> order = new();
    private long size;

    /// <summary>Keeps a file.</summary>
    public void Add(StorePath path, ReadOnlyMemory<byte> content)
    {
        lock (gate)
        {
            if (content.Length > capacity / 4 || !contents.TryAdd(path, content)) return;
            order.Enqueue(path);
            for (size += content.Length; size > capacity; size -= Forget().Length)
            {
                // Until there is room for it.
            }
        }
    }

    /// <summary>The content of a file; null: it is not kept.</summary>
    public ReadOnlyMemory<byte>? Find(StorePath path)
    {
        // Without the cast, null would become an empty content.
        lock (gate) return contents.TryGetValue(path, out var content) ? (ReadOnlyMemory<byte>?)content : null;
    }

    private ReadOnlyMemory<byte> Forget()
    {
        contents.Remove(order.Dequeue(), out var content);
        return content;
    }
}
