namespace NixBuildFarm.Scheduling;

/// <summary>
/// The order of an <see cref="IndexedHeap{TOrder}"/>: a total one. A structure, so that comparing costs no indirect call.
/// </summary>
internal interface IHeapOrder
{
    bool IsBefore(int a, int b);
}

/// <summary>A binary heap that knows where each item lies, so that any item can be taken out, or moved when its key changes.</summary>
/// <param name="order">The order.</param>
/// <param name="position">By item: where it lies in its heap; −1 once it has been removed. Several heaps of different items may share
/// it.</param>
internal class IndexedHeap<TOrder>(TOrder order, int[] position)
    where TOrder : struct, IHeapOrder
{
    private int[] items = [];

    /// <summary>A copy, whose positions have been copied as well.</summary>
    public IndexedHeap(IndexedHeap<TOrder> other, TOrder order, int[] position)
        : this(order, position) => (items, Count) = (other.Items.ToArray(), other.Count);

    public int Count { get; private set; }

    public int First => items[0];

    /// <summary>The items in the order of the heap: the two after the first one are next to it, and one of them is the second.</summary>
    public ReadOnlySpan<int> Items => items.AsSpan(0, Count);

    public void Add(int item)
    {
        if (Count == items.Length) Array.Resize(ref items, Math.Max(4, 2 * Count));
        items[Count] = item;
        MoveUp(Count++);
    }

    /// <summary>Puts items into the empty heap, all at once.</summary>
    public void Fill(IReadOnlyCollection<int> all)
    {
        items = [.. all];
        Count = items.Length;
        Rebuild();
    }

    public void Remove(int item)
    {
        var i = position[item];
        var last = items[--Count];
        position[item] = -1;
        if (i == Count) return;
        items[i] = last;
        MoveDown(i);
        MoveUp(position[last]);
    }

    /// <summary>Puts an item where its changed key belongs.</summary>
    public void Update(int item)
    {
        MoveDown(position[item]);
        MoveUp(position[item]);
    }

    /// <summary>Restores the order after all keys have changed.</summary>
    public void Rebuild()
    {
        for (var i = Count - 1; i >= 0; i--) MoveDown(i);
    }

    private void MoveUp(int i)
    {
        var item = items[i];
        while (i > 0)
        {
            var parent = (i - 1) / 2;
            if (!order.IsBefore(item, items[parent])) break;
            Set(i, items[parent]);
            i = parent;
        }
        Set(i, item);
    }

    private void MoveDown(int i)
    {
        var item = items[i];
        while (true)
        {
            var child = 2 * i + 1;
            if (child >= Count) break;
            if (child + 1 < Count && order.IsBefore(items[child + 1], items[child])) child++;
            if (!order.IsBefore(items[child], item)) break;
            Set(i, items[child]);
            i = child;
        }
        Set(i, item);
    }

    private void Set(int i, int item)
    {
        items[i] = item;
        position[item] = i;
    }
}
