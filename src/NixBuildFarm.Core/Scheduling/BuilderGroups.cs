using System.Globalization;
using System.Text;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// Builders that are alike for the scheduler: the same classes of jobs, the same speeds and bandwidths within a few percent. Of each group
/// only the one that is free first needs to be looked at, so a decision costs as many looks as there are groups, not builders.
/// </summary>
internal sealed class BuilderGroups
{
    private readonly BuilderState[] builders;
    private readonly int[][] groupsOfClass;
    private readonly IndexedHeap<ByAvailability>[] heaps;
    private readonly int[] positions;
    private readonly long?[][]? ruledMemory;

    public BuilderGroups(JobGraph graph, EligibilityClasses classes, BuilderState[] builders, Func<int, int, double> speedOf)
    {
        this.builders = builders;
        var online = Enumerable.Range(0, builders.Length).Where(b => builders[b].Status == BuilderStatus.Online).ToArray();
        var descriptions = online.Select(b => builders[b].Description).ToArray();
        var (allowed, eligible) = (new bool[classes.Count][], new bool[classes.Count][]);
        for (var c = 0; c < classes.Count; c++)
        {
            allowed[c] = new bool[builders.Length];
            var job = graph[classes.Representatives[c]];
            var verdicts = Eligibility.OnFarm(job with { StatedCores = 0 }, descriptions);
            for (var i = 0; i < online.Length; i++) allowed[c][online[i]] = verdicts[i].IsEligible;
            eligible[c] = (bool[])allowed[c].Clone();
            LargeEnough.Keep(eligible[c], b => builders[b].Description, job, classes.Needs[c], b => builders[b].IsOut);
        }
        (Allowed, Eligible) = (allowed, eligible);
        if (descriptions.Any(builder => builder.MemoryRules.Count > 0))
        {
            ruledMemory =
            [
                .. classes.Representatives.Select(job => Array.ConvertAll(builders, b => b.Description.RuledMemory(graph[job].Name))),
            ];
        }

        var members = new List<List<int>>();
        var known = new Dictionary<string, int>();
        foreach (var builder in builders) builder.Group = -1;
        foreach (var b in online)
        {
            var signature = SignatureOf(b);
            if (!known.TryGetValue(signature, out var group))
            {
                group = members.Count;
                known.Add(signature, group);
                members.Add([]);
            }
            builders[b].Group = group;
            members[group].Add(b);
        }
        positions = new int[builders.Length];
        heaps = members.Select(_ => new IndexedHeap<ByAvailability>(new(builders), positions)).ToArray();
        for (var k = 0; k < heaps.Length; k++) heaps[k].Fill(members[k]);
        groupsOfClass = Enumerable.Range(0, classes.Count)
            .Select(c => Enumerable.Range(0, heaps.Length).Where(k => eligible[c][heaps[k].First]).ToArray())
            .ToArray();
        // All jobs of a class are of one system, so the fastest builder of the class is the same for each of them.
        BestSpeed = Enumerable.Range(0, classes.Count)
            .Select(c => online.Where(b => eligible[c][b]).Select(b => speedOf(b, classes.Representatives[c])).DefaultIfEmpty(1).Max())
            .ToArray();
        BestCores = Enumerable.Range(0, classes.Count)
            .Select(c => online.Where(b => eligible[c][b]).Select(b => builders[b].Description.MostCores).DefaultIfEmpty(1).Max())
            .ToArray();
        TotalCapacity = Math.Max(1e-9, online.Sum(b => builders[b].MaxJobs * builders[b].Speeds.DefaultIfEmpty(1).Max()));
        Scarce = new ScarceBuilders(classes, eligible, builders, speedOf);
    }

    private BuilderGroups(BuilderGroups other, BuilderState[] builders)
    {
        this.builders = builders;
        (Allowed, Eligible, ruledMemory) = (other.Allowed, other.Eligible, other.ruledMemory);
        BestSpeed = other.BestSpeed;
        BestCores = other.BestCores;
        TotalCapacity = other.TotalCapacity;
        Scarce = other.Scarce.Clone();
        groupsOfClass = other.groupsOfClass;
        positions = (int[])other.positions.Clone();
        heaps = other.heaps.Select(heap => new IndexedHeap<ByAvailability>(heap, new(builders), positions)).ToArray();
    }

    /// <summary>By class, then builder: whether it may take jobs of the class, and none is preferred to it.</summary>
    public bool[][] Eligible { get; }

    /// <summary>The same before those that are large enough are preferred to the others.</summary>
    public bool[][] Allowed { get; }

    /// <summary>By class: the speed of the fastest builder that may take it; 1 where there is none.</summary>
    public double[] BestSpeed { get; }

    /// <summary>By class: the cores of the largest builder that may take it.</summary>
    public int[] BestCores { get; }

    /// <summary>Keeps some builders for the jobs that need them.</summary>
    public ScarceBuilders Scarce { get; }

    /// <summary>Reference seconds that all builders together do in a second.</summary>
    public double TotalCapacity { get; }

    public int Count => heaps.Length;

    public BuilderGroups Clone(BuilderState[] clonedBuilders) => new(this, clonedBuilders);

    /// <summary>The groups of builders that may take jobs of a class.</summary>
    public ReadOnlySpan<int> GroupsOf(int eligibilityClass) => groupsOfClass[eligibilityClass];

    /// <summary>What the policy of a builder says that jobs of a class need, in bytes; null: nothing.</summary>
    public long? RuledMemory(int eligibilityClass, int builder) => ruledMemory?[eligibilityClass][builder];

    /// <summary>The builder of a group that is free first.</summary>
    public int FirstOf(int group) => heaps[group].First;

    /// <summary>Whether only one slot is free on all builders of a group.</summary>
    public bool HasOneFreeSlot(int group)
    {
        var heap = heaps[group].Items;
        // The second of a heap is one of the two below the first.
        return builders[heap[0]].FreeSlots == 1
            && (heap.Length < 2 || builders[heap[1]].FreeSlots == 0)
            && (heap.Length < 3 || builders[heap[2]].FreeSlots == 0);
    }

    /// <summary>The builders of a group, in no order.</summary>
    public ReadOnlySpan<int> MembersOf(int group) => heaps[group].Items;

    /// <summary>Whether a builder that may take jobs of this class has a free slot that is open to them.</summary>
    public bool HasIdle(int eligibilityClass)
    {
        foreach (var group in groupsOfClass[eligibilityClass])
        {
            var first = heaps[group].First;
            if (builders[first].FreeSlots > 0 && Scarce.IsOpen(first, eligibilityClass)) return true;
        }
        return false;
    }

    /// <summary>Puts a builder where its changed key belongs.</summary>
    public void Update(int builder)
    {
        var group = builders[builder].Group;
        if (group < 0) return;
        heaps[group].Update(builder);
    }

    private string SignatureOf(int b)
    {
        var text = new StringBuilder();
        foreach (var eligible in Eligible) text.Append(eligible[b] ? '1' : '0');
        foreach (var speed in builders[b].Speeds) text.Append(' ').Append(Step(speed, 0.03));
        var description = builders[b].Description;
        text.Append(' ').Append(Step(description.DownloadBandwidth, 0.2)).Append(' ').Append(Step(description.UploadBandwidth, 0.2));
        return text.Append(description.IsLocal ? " local" : "").ToString();
    }

    private static string Step(double value, double width) =>
        value <= 0 ? "-" : double.IsInfinity(value) ? "+" : Math.Round(Math.Log(value) / width).ToString(CultureInfo.InvariantCulture);

    /// <summary>The builder that is free first, or has most free slots, comes first.</summary>
    private readonly struct ByAvailability(BuilderState[] builders) : IHeapOrder
    {
        public bool IsBefore(int a, int b)
        {
            var (x, y) = (builders[a].Key, builders[b].Key);
            return x < y || (x == y && a < b);
        }
    }
}
