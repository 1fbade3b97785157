using System.Numerics;
using System.Runtime.InteropServices;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// What no schedule can beat, since jobs have others before and after them: those that all have at least some head and some tail have only
/// the time between, so that least head + their work ÷ capacity + least tail is a bound. This is the largest over all heads and tails.
/// </summary>
/// <remarks>
/// Jobs are added in order of falling tails. A tree over them in order of heads keeps, for each stretch, the work in it and the
/// largest sum of a head and the work from there on: so the best head for each tail costs a walk up the tree.
/// </remarks>
internal sealed class HeadAndTailBound
{
    private readonly double[] head, tail;
    private readonly int[] byTail, place;
    private readonly Stretch[] tree;

    /// <summary>Sorts the jobs.</summary>
    /// <param name="head">By job: the least time before it, in seconds.</param>
    /// <param name="tail">By job: the least time after it.</param>
    public HeadAndTailBound(double[] head, double[] tail)
    {
        (this.head, this.tail) = (head, tail);
        byTail = [.. Enumerable.Range(0, tail.Length).OrderByDescending(job => tail[job])];
        place = new int[head.Length];
        var byHead = Enumerable.Range(0, head.Length).OrderBy(job => head[job]).ToArray();
        for (var i = 0; i < byHead.Length; i++) place[byHead[i]] = i;
        tree = new Stretch[2 * Math.Max(1, (int)BitOperations.RoundUpToPowerOf2((uint)head.Length))];
    }

    /// <summary>The bound of some jobs, in seconds; 0 where there are none.</summary>
    /// <param name="isOne">Whether a job is one of them.</param>
    /// <param name="timeOf">The seconds that all their builders together need for a job.</param>
    public double Of(Func<int, bool> isOne, Func<int, double> timeOf)
    {
        Array.Fill(tree, Stretch.Empty);
        var bound = 0.0;
        foreach (var job in byTail)
        {
            if (!isOne(job) || timeOf(job) is not (> 0 and var time)) continue;
            var node = tree.Length / 2 + place[job];
            tree[node] = new(time, head[job] + time);
            while ((node /= 2) > 0) tree[node] = Stretch.Of(tree[2 * node], tree[2 * node + 1]);
            bound = Math.Max(bound, tree[1].Latest + tail[job]);
        }
        return bound;
    }

    /// <summary>Jobs that follow each other in order of heads.</summary>
    /// <param name="Time">The time of all of them.</param>
    /// <param name="Latest">The largest sum of the head of one, its time and that of those after it.</param>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Stretch(double Time, double Latest)
    {
        public static Stretch Empty => new(0, double.NegativeInfinity);

        public static Stretch Of(Stretch first, Stretch second) =>
            new(first.Time + second.Time, Math.Max(second.Latest, first.Latest + second.Time));
    }
}
