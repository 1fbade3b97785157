namespace NixBuildFarm.Scheduling;

/// <summary>Whether a builder takes jobs.</summary>
internal enum BuilderStatus
{
    /// <summary>It takes jobs.</summary>
    Online,

    /// <summary>It ends what runs and takes nothing new.</summary>
    Draining,

    /// <summary>It is gone.</summary>
    Lost,
}

/// <summary>What the scheduler keeps of a builder: its slots, and until when each is believed to be taken.</summary>
internal sealed class BuilderState
{
    private const int Idle = -1;

    /// <summary>
    /// A builder that is held for as many seconds with no build of the run is out: most holds are over before. What only it has the memory
    /// or the cores for goes elsewhere then, where it may be killed, or be slow.
    /// </summary>
    public const double PatienceWithHeld = 120;

    private static readonly Slot EmptySlot = new() { Job = Idle, FreeAt = double.PositiveInfinity };

    private double? idleAndHeldSince;

    public BuilderState(FarmBuilder description, string[] systems)
    {
        Description = description;
        Describe(description, systems);
    }

    private BuilderState(BuilderState other)
    {
        Description = other.Description;
        Status = other.Status;
        (Speeds, UsableMemory, IsHeld) = (other.Speeds, other.UsableMemory, other.IsHeld);
        (idleAndHeldSince, IsOut) = (other.idleAndHeldSince, other.IsOut);
        Slots = (Slot[])other.Slots.Clone();
        FreeSlots = other.FreeSlots;
        (CoresInUse, MemoryInUse) = (other.CoresInUse, other.MemoryInUse);
        (FreeSpace, SpaceInUse) = (other.FreeSpace, other.SpaceInUse);
        (Group, Key) = (other.Group, other.Key);
    }

    public struct Slot
    {
        public int Job;
        public double StartedAt;
        public double FreeAt;
        public int Cores;
        public bool HasBegun;

        /// <summary>Bytes of memory that are kept for it.</summary>
        public long Memory;

        /// <summary>Bytes that are still to be written for it.</summary>
        public long Space;

        /// <summary>Whether others may do compiles of it.</summary>
        public bool Shares;

        /// <summary>Whether others have run beside it, however short.</summary>
        public bool HadCompany;
    }

    public FarmBuilder Description { get; private set; }

    public BuilderStatus Status { get; set; }

    /// <summary>Whether it takes nothing new for the time being. Nobody waits for it then: when that ends is not known.</summary>
    public bool IsHeld { get; private set; }

    /// <summary>Whether nobody counts on it: it has been held for long, and no build of the run is there.</summary>
    public bool IsOut { get; private set; }

    /// <summary>By index of the system; 0 where it does not build it. Replaced, never changed.</summary>
    public double[] Speeds { get; private set; } = [];

    /// <summary>The slots in use come and go; there may be more than it should have while running jobs end.</summary>
    public Slot[] Slots { get; private set; } = [];

    /// <summary>Slots that may be filled: each needs a core at least.</summary>
    public int FreeSlots { get; private set; }

    public int CoresInUse { get; private set; }

    public int FreeCores => Math.Max(0, Description.TotalCores - CoresInUse);

    /// <summary>Bytes that are kept for what runs.</summary>
    public long MemoryInUse { get; private set; }

    /// <summary>Bytes that builds may still write there, what runs included; null where unknown: then it is not counted.</summary>
    public long? FreeSpace { get; set; }

    /// <summary>Bytes of it that are still to be written for what runs.</summary>
    public long SpaceInUse { get; private set; }

    /// <summary>Bytes of it that nobody has claimed; infinite where unknown.</summary>
    public long SpaceLeft => FreeSpace - SpaceInUse ?? long.MaxValue;

    /// <summary>Bytes that builds may have in all; null where unknown: then it is not counted.</summary>
    public long? UsableMemory { get; private set; }

    /// <summary>Index of the <see cref="BuilderGroups"/> it belongs to; −1 where it takes no jobs.</summary>
    public int Group { get; set; } = -1;

    /// <summary>Orders builders of a group: −(free slots) where there are some, else when the first becomes free.</summary>
    public double Key { get; private set; }

    /// <summary>Slots it should have.</summary>
    public int MaxJobs => Description.MaxJobs;

    public int Running
    {
        get
        {
            var count = 0;
            foreach (ref readonly var slot in Slots.AsSpan())
            {
                if (slot.Job != Idle) count++;
            }
            return count;
        }
    }

    public BuilderState Clone() => new(this);

    public void Describe(FarmBuilder description, string[] systems)
    {
        Description = description;
        UsableMemory = description.UsableMemory;
        Speeds = systems.Select(description.SpeedOf).ToArray();
        FitSlots();
    }

    public void Hold(bool isHeld)
    {
        IsHeld = isHeld;
        if (!isHeld) idleAndHeldSince = null;
        Update();
    }

    /// <summary>Finds out whether it is out by now.</summary>
    /// <returns>When it will be; null: it is, or that cannot be told.</returns>
    public double? UpdateOut(double now)
    {
        idleAndHeldSince = !IsHeld || Running > 0 ? null : idleAndHeldSince ?? now;
        var outAt = idleAndHeldSince + PatienceWithHeld;
        IsOut = outAt <= now;
        return IsOut ? null : outAt;
    }

    /// <summary>
    /// Whether the memory for one more job is free. Where nothing runs it is, whatever the job needs: it has the machine to itself.
    /// </summary>
    public bool HasMemoryFor(long need) => UsableMemory is not { } usable || MemoryInUse + need <= usable || Running == 0;

    public void Take(int job, double now, double freeAt, int cores, long memory, long space, bool shares)
    {
        var slot = IndexOf(Idle);
        foreach (ref var other in Slots.AsSpan()) other.HadCompany |= other.Job != Idle;
        Slots[slot] = new Slot
        {
            Job = job, StartedAt = now, FreeAt = freeAt, Cores = cores, Memory = memory, Space = space, Shares = shares,
            HadCompany = Running > 0,
        };
        CoresInUse += cores;
        MemoryInUse += memory;
        SpaceInUse += space;
        Update();
    }

    /// <summary>The build in a slot begins: its inputs are there.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="now">The time.</param>
    /// <param name="freeAt">When it should end.</param>
    /// <param name="outputBytes">Size of its outputs.</param>
    public void Begin(int slot, double now, double freeAt, long outputBytes)
    {
        var written = Math.Max(0, Slots[slot].Space - outputBytes);
        Slots[slot].Space -= written;
        SpaceInUse -= written;
        Slots[slot].StartedAt = now;
        Slots[slot].HasBegun = true;
        SetFreeAt(slot, freeAt);
    }

    /// <summary>Outputs have been written there since it was told what is free.</summary>
    public void Wrote(long bytes)
    {
        if (FreeSpace is { } free) FreeSpace = Math.Max(0, free - bytes);
    }

    public Slot Release(int job)
    {
        var index = IndexOf(job);
        var slot = Slots[index];
        CoresInUse -= slot.Cores;
        MemoryInUse -= slot.Memory;
        SpaceInUse -= slot.Space;
        Slots[index] = EmptySlot;
        if (Slots.Length > MaxJobs)
        {
            FitSlots();
        }
        else
        {
            Update();
        }
        return slot;
    }

    public int IndexOf(int job)
    {
        for (var i = 0; i < Slots.Length; i++)
        {
            if (Slots[i].Job == job) return i;
        }
        return -1;
    }

    /// <summary>The slot in use that becomes free first.</summary>
    public int EarliestSlot()
    {
        var best = 0;
        for (var i = 1; i < Slots.Length; i++)
        {
            if (Slots[i].FreeAt < Slots[best].FreeAt) best = i;
        }
        return best;
    }

    public void SetFreeAt(int slot, double at)
    {
        Slots[slot].FreeAt = at;
        UpdateKey();
    }

    private void FitSlots()
    {
        var running = Slots.Where(s => s.Job != Idle).ToArray();
        Slots = [.. running, .. Enumerable.Repeat(EmptySlot, Math.Max(0, MaxJobs - running.Length))];
        Update();
    }

    private void Update()
    {
        // Nothing is built beside a job that is too large for the machine.
        FreeSlots = IsHeld || MemoryInUse > UsableMemory ? 0 : Math.Max(0, Math.Min(MaxJobs - Running, FreeCores));
        UpdateKey();
    }

    private void UpdateKey() =>
        Key = FreeSlots > 0 ? -FreeSlots : IsHeld || Slots.Length == 0 ? double.PositiveInfinity : Slots[EarliestSlot()].FreeAt;
}
