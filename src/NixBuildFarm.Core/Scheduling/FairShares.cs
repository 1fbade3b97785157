using System.Globalization;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// Whose turn it is where several users have work: that of the user with the fewest slots in use. So a slot that becomes free goes to the
/// one who has least, as long as that one has a job for it, and is never idle for the sake of fairness. Only the present counts: nobody
/// owes anything for what was used before. A job that several want counts for each of them with its part.
/// </summary>
internal sealed class FairShares
{
    private readonly SchedulingState state;
    private readonly List<int[]> parties;
    private readonly Dictionary<string, int> known;
    private readonly List<List<int>> partiesOf;
    private int[] partyOf;
    private double[] slots;
    private (IReadOnlyList<int>? Users, int Party) last;

    public FairShares(SchedulingState state)
    {
        this.state = state;
        (parties, known, partiesOf, partyOf, slots) = ([], [], [], [], []);
        Add(first: 0);
    }

    private FairShares(FairShares other, SchedulingState copy)
    {
        state = copy;
        // Nobody joins a copy.
        (parties, known, partiesOf, last) = (other.parties, other.known, other.partiesOf, other.last);
        (partyOf, slots) = (other.partyOf, new double[other.slots.Length]);
    }

    /// <summary>How many sets of users there are, each of which wants jobs together.</summary>
    public int Parties => Math.Max(1, parties.Count);

    /// <summary>Whether there is anything to share. One user alone has the whole farm.</summary>
    public bool AreNeeded => parties.Count > 1;

    /// <summary>How many users there are; they are numbered from 0 on.</summary>
    public int Users => partiesOf.Count;

    public FairShares Clone(SchedulingState copy) => new(this, copy);

    /// <summary>The set of users that want a job.</summary>
    public int PartyOf(int job) => partyOf[job];

    /// <summary>The sets that a user belongs to.</summary>
    public List<int> PartiesOf(int user) => partiesOf[user];

    /// <summary>The slots that a user has, in the decision that is being taken.</summary>
    public double SlotsOf(int user) => slots[user];

    /// <summary>Jobs have joined the graph.</summary>
    /// <param name="first">The first of them.</param>
    public void Add(int first)
    {
        GrowingArray.Grow(ref partyOf, state.Graph.Count, 0);
        for (var job = first; job < state.Graph.Count; job++) Update(job);
    }

    /// <summary>Other users than before want a job.</summary>
    public void Update(int job)
    {
        var users = state.Graph[job].Users;
        if (!ReferenceEquals(users, last.Users)) last = (users, Find(users));
        partyOf[job] = last.Party;
    }

    /// <summary>Counts the slots in use: a decision begins.</summary>
    public void Count()
    {
        Array.Clear(slots);
        foreach (var builder in state.Builders)
        {
            foreach (var slot in builder.Slots)
            {
                if (slot.Job >= 0) Take(slot.Job, builder, slot.Cores);
            }
        }
    }

    /// <summary>
    /// A job takes a slot, or several where it has the cores of several: a build with all cores of a machine leaves none to others.
    /// </summary>
    public void Take(int job, BuilderState builder, int cores)
    {
        var party = parties[partyOf[job]];
        var taken = Math.Max(1, (double)cores * builder.MaxJobs / Math.Max(1, builder.Description.TotalCores));
        foreach (var user in party) slots[user] += taken / party.Length;
    }

    private int Find(IReadOnlyList<int> users)
    {
        int[] party = users.Count == 0 ? [0] : [.. users.Distinct().Order()];
        var key = string.Join(' ', party.Select(user => user.ToString(CultureInfo.InvariantCulture)));
        if (known.TryGetValue(key, out var index)) return index;
        known.Add(key, index = parties.Count);
        parties.Add(party);
        while (partiesOf.Count <= party[^1]) partiesOf.Add([]);
        foreach (var user in party) partiesOf[user].Add(index);
        if (slots.Length < partiesOf.Count) Array.Resize(ref slots, partiesOf.Count);
        return index;
    }
}
