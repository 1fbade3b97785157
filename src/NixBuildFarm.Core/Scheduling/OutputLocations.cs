namespace NixBuildFarm.Scheduling;

/// <summary>Which builder has the outputs of which job: one bit each.</summary>
internal sealed class OutputLocations
{
    private int jobs;
    private ulong[] bits;
    private int words;

    public OutputLocations(int jobs, int builders)
    {
        this.jobs = jobs;
        words = Math.Max(1, (builders + 63) / 64);
        bits = new ulong[(long)jobs * words];
    }

    private OutputLocations(OutputLocations other)
    {
        (jobs, words) = (other.jobs, other.words);
        bits = (ulong[])other.bits.Clone();
    }

    public OutputLocations Clone() => new(this);

    public bool Has(int job, int builder) => (bits[(long)job * words + (builder >> 6)] >> (builder & 63) & 1) != 0;

    public void Add(int job, int builder) => bits[(long)job * words + (builder >> 6)] |= 1UL << (builder & 63);

    public void Clear(int job) => Array.Clear(bits, job * words, words);

    public void RemoveBuilder(int builder)
    {
        for (var job = 0; job < jobs; job++) bits[(long)job * words + (builder >> 6)] &= ~(1UL << (builder & 63));
    }

    public bool IsNowhere(int job)
    {
        for (var w = 0; w < words; w++)
        {
            if (bits[(long)job * words + w] != 0) return false;
        }
        return true;
    }

    public bool IsOnlyAt(int job, int builder)
    {
        for (var w = 0; w < words; w++)
        {
            if (bits[(long)job * words + w] != (w == builder >> 6 ? 1UL << (builder & 63) : 0)) return false;
        }
        return true;
    }

    /// <summary>Makes room for more jobs.</summary>
    public void GrowJobs(int count)
    {
        GrowingArray.Grow(ref bits, count * words, 0UL);
        jobs = count;
    }

    /// <summary>Makes room for more builders.</summary>
    public void Grow(int builders)
    {
        var needed = (builders + 63) / 64;
        if (needed <= words) return;
        var grown = new ulong[(long)jobs * needed];
        for (var job = 0; job < jobs; job++) Array.Copy(bits, job * words, grown, job * needed, words);
        (bits, words) = (grown, needed);
    }
}
