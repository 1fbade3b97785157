namespace NixBuildFarm.Scheduling.Lending;

/// <summary>What <see cref="CompileLending"/> keeps of a build whose compiles may be done elsewhere.</summary>
/// <param name="opened">What was told of it.</param>
internal sealed class SharedBuild(LendingEvent.BuildOpened opened)
{
    private readonly SortedDictionary<int, Helper> helpers = [];
    private readonly Dictionary<int, (FarmBuilder Description, bool MayHelp)> verdicts = [];

    /// <summary>How far a helper is.</summary>
    public enum HelperState
    {
        /// <summary>What the compiles need is on its way.</summary>
        Preparing,

        /// <summary>It can compile.</summary>
        Ready,

        /// <summary>It cannot.</summary>
        Unfit,
    }

    public long Number => opened.Build;

    public int Job => opened.Job;

    public int Home => opened.Home;

    /// <summary>Compiles that it can have on helpers at a time.</summary>
    public int MostLoans => opened.Cores - opened.HomePlaces;

    public int HomePlaces { get; } = Math.Max(1, opened.HomePlaces);

    /// <summary>Compiles that run at home.</summary>
    public int AtHome { get; set; }

    /// <summary>Compiles that run on helpers.</summary>
    public int Loans { get; private set; }

    public bool HasHomePlace => AtHome < HomePlaces;

    /// <summary>Compiles that wait for any place, in the order in which they asked.</summary>
    public Queue<Compile> Line { get; } = new();

    /// <summary>Compiles that wait for a place at home: no helper may do them, or one has failed.</summary>
    public Queue<Compile> Stays { get; } = new();

    /// <summary>The helpers that were asked for, by index.</summary>
    public IEnumerable<KeyValuePair<int, Helper>> Helpers => helpers;

    public HelperState? StateOf(int helper) => helpers.TryGetValue(helper, out var known) ? known.State : null;

    public int LoansOn(int helper) => helpers.TryGetValue(helper, out var known) ? known.Loans : 0;

    /// <summary>Whether a builder may help; asked once for each description of it.</summary>
    public bool MayHelp(FarmBuilder description, int builder, Func<bool> ask)
    {
        if (verdicts.TryGetValue(builder, out var known) && ReferenceEquals(known.Description, description)) return known.MayHelp;
        var verdict = ask();
        verdicts[builder] = (description, verdict);
        return verdict;
    }

    public void SetState(int helper, HelperState state)
    {
        if (!helpers.TryGetValue(helper, out var known)) helpers.Add(helper, known = new Helper());
        known.State = state;
    }

    /// <summary>A helper is gone, and with it all that was brought to it; it may come back.</summary>
    public void Forget(int helper) => helpers.Remove(helper);

    public void Lend(int helper)
    {
        Loans++;
        helpers[helper].Loans++;
    }

    /// <summary>A compile on a helper has ended.</summary>
    /// <param name="helper">The helper.</param>
    /// <param name="end">How; null: it was recalled, or the helper is lost.</param>
    /// <param name="limit">Failures in a row after which a helper is unfit.</param>
    public void TakeBack(int helper, LoanEnd? end, int limit)
    {
        Loans--;
        if (!helpers.TryGetValue(helper, out var known)) return;
        known.Loans--;
        if (end is LoanEnd.Delivered) known.Failures = 0;
        if (end is LoanEnd.Failed && ++known.Failures >= limit) known.State = HelperState.Unfit;
    }

    /// <summary>What is kept of a helper.</summary>
    public sealed class Helper
    {
        public HelperState State { get; set; }

        public int Loans { get; set; }

        /// <summary>Compiles in a row that it has failed with.</summary>
        public int Failures { get; set; }
    }

    /// <summary>A compile that has asked and not ended.</summary>
    public sealed class Compile(long number, SharedBuild build)
    {
        public long Number => number;

        public SharedBuild Build => build;

        /// <summary>Whether it runs at home.</summary>
        public bool IsAtHome { get; set; }

        /// <summary>The helper that it runs on; -1: none.</summary>
        public int Helper { get; set; } = -1;

        /// <summary>Whether it has ended, and is to be passed over in the line.</summary>
        public bool HasEnded { get; set; }
    }
}
