namespace NixBuildFarm.Scheduling;

/// <summary>
/// Guards builders that some jobs cannot do without. The local machine must run every job that stays local; a machine with <c>kvm</c>
/// every test. If jobs that could go elsewhere fill it, those others end late, whatever their rank. So of the slots of such a set of
/// builders, the share that its own jobs need until the end of the run is closed to all others.
/// </summary>
internal sealed class ScarceBuilders
{
    private readonly int[][] setsOf;
    private readonly bool[][] isOwn;
    private readonly double[] slots;
    private readonly double[] capacity;
    private readonly int[] foreign;
    private readonly double[] open;

    public ScarceBuilders(EligibilityClasses classes, bool[][] eligible, BuilderState[] builders, Func<int, int, double> speedOf)
    {
        var distinct = eligible.Select((builderSet, c) => (builderSet, c)).Where(e => e.builderSet.Contains(true))
            .DistinctBy(e => string.Concat(e.builderSet.Select(x => x ? '1' : '0'))).ToArray();
        // What every class may use is nobody's own.
        var sets = distinct.Where(s => eligible.Any(other => !IsSubset(other, s.builderSet))).ToArray();
        setsOf = Enumerable.Range(0, builders.Length)
            .Select(b => Enumerable.Range(0, sets.Length).Where(s => sets[s].builderSet[b]).ToArray())
            .ToArray();
        isOwn = sets.Select(s => eligible.Select(e => IsSubset(e, s.builderSet)).ToArray()).ToArray();
        slots = new double[sets.Length];
        capacity = new double[sets.Length];
        foreign = new int[sets.Length];
        open = Enumerable.Repeat(double.PositiveInfinity, sets.Length).ToArray();
        for (var s = 0; s < sets.Length; s++)
        {
            for (var b = 0; b < builders.Length; b++)
            {
                if (!sets[s].builderSet[b]) continue;
                slots[s] += builders[b].MaxJobs;
                capacity[s] += builders[b].MaxJobs * speedOf(b, classes.Representatives[sets[s].c]);
            }
        }
        for (var b = 0; b < builders.Length; b++)
        {
            foreach (var slot in builders[b].Slots)
            {
                if (slot.Job >= 0) Count(b, classes[slot.Job], 1);
            }
        }
    }

    private ScarceBuilders(ScarceBuilders other)
    {
        (setsOf, isOwn, slots, capacity) = (other.setsOf, other.isOwn, other.slots, other.capacity);
        foreign = (int[])other.foreign.Clone();
        open = (double[])other.open.Clone();
    }

    public ScarceBuilders Clone() => new(this);

    /// <summary>A job of this class takes (+1) or leaves (−1) a slot.</summary>
    public void Count(int builder, int jobClass, int change)
    {
        foreach (var s in setsOf[builder])
        {
            if (!isOwn[s][jobClass]) foreign[s] += change;
        }
    }

    /// <summary>Seconds that some set of builders still needs at least for its own jobs.</summary>
    public double LeastTime(ReadOnlySpan<double> remainingWork)
    {
        var longest = 0.0;
        for (var s = 0; s < open.Length; s++) longest = Math.Max(longest, OwnWork(s, remainingWork) / capacity[s]);
        return longest;
    }

    /// <summary>Computes the shares anew.</summary>
    /// <param name="remainingWork">By class: reference seconds of all that is not done.</param>
    /// <param name="horizon">Seconds until the run can end at the earliest; larger closes less.</param>
    /// <remarks>Until it is called, everything is open.</remarks>
    public void ComputeShares(ReadOnlySpan<double> remainingWork, double horizon)
    {
        for (var s = 0; s < open.Length; s++)
        {
            open[s] = slots[s] * Math.Max(0, 1 - OwnWork(s, remainingWork) / (capacity[s] * Math.Max(1, horizon)));
        }
    }

    /// <summary>Whether one more job of this class may use the builder.</summary>
    public bool IsOpen(int builder, int jobClass)
    {
        foreach (var s in setsOf[builder])
        {
            if (!isOwn[s][jobClass] && foreign[s] + 0.5 > open[s]) return false;
        }
        return true;
    }

    private double OwnWork(int set, ReadOnlySpan<double> remainingWork)
    {
        var own = 0.0;
        for (var c = 0; c < remainingWork.Length; c++)
        {
            if (isOwn[set][c]) own += remainingWork[c];
        }
        return own;
    }

    private static bool IsSubset(bool[] part, bool[] whole)
    {
        for (var i = 0; i < part.Length; i++)
        {
            if (part[i] && !whole[i]) return false;
        }
        return true;
    }
}
