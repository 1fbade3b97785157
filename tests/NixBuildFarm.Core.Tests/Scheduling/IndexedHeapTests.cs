using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Scheduling;

public class IndexedHeapTests
{
    [Fact]
    public void The_first_item_is_the_least_after_any_change()
    {
        var random = new Random(1);
        var keys = Enumerable.Range(0, 200).Select(_ => random.Next(50)).ToArray();
        var position = Enumerable.Repeat(-1, keys.Length).ToArray();
        var heap = new IndexedHeap<ByKey>(new(keys), position);
        var inside = Enumerable.Range(0, 100).ToHashSet();
        heap.Fill(inside);

        for (var step = 0; step < 5_000; step++)
        {
            var item = random.Next(keys.Length);
            if (!inside.Contains(item))
            {
                heap.Add(item);
                inside.Add(item);
            }
            else if (random.Next(2) == 0)
            {
                heap.Remove(item);
                inside.Remove(item);
            }
            else
            {
                keys[item] = random.Next(50);
                heap.Update(item);
            }

            Assert.Equal(inside.Count, heap.Count);
            if (inside.Count > 0) Assert.Equal(inside.MinBy(other => (keys[other], other)), heap.First);
            Assert.Equal(inside.Contains(item), position[item] >= 0);
        }
    }

    [Fact]
    public void A_copy_changes_by_itself()
    {
        int[] keys = [3, 1, 2], position = new int[3];
        var heap = new IndexedHeap<ByKey>(new(keys), position);
        heap.Fill([0, 1, 2]);

        var copy = new IndexedHeap<ByKey>(heap, new(keys), [.. position]);
        copy.Remove(1);

        Assert.Equal((1, 3), (heap.First, heap.Count));
        Assert.Equal((2, 2), (copy.First, copy.Count));
    }

    private readonly struct ByKey(int[] keys) : IHeapOrder
    {
        public bool IsBefore(int a, int b) => (keys[a], a).CompareTo((keys[b], b)) < 0;
    }
}
