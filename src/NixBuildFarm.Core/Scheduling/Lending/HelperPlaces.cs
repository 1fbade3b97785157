using System.Text;
using Worth = (bool IsNative, double Speed);

namespace NixBuildFarm.Scheduling.Lending;

/// <summary>
/// Where compiles of others can be done: the builders by kind, those that help the same eligibility classes at about the same speeds being
/// of one, and the places that each kind has when it is idle. Changes with the farm alone.
/// </summary>
internal sealed class HelperPlaces
{
    private readonly FarmBuilder[] farm;
    private readonly Worth[][] worths;
    private readonly bool[][] helps;
    private readonly int[] kindOf;
    private readonly int[] placesOf;
    private readonly int[][] bestFirst;
    private readonly Worth[][] worthOfKind;

    /// <summary>Looks at a farm.</summary>
    /// <param name="graph">The jobs.</param>
    /// <param name="classes">Their eligibility classes.</param>
    /// <param name="farm">The builders, by index.</param>
    /// <param name="online">Whether each takes part.</param>
    /// <param name="eligible">By class, then builder: whether it may take jobs of the class.</param>
    public HelperPlaces(
        JobGraph graph, EligibilityClasses classes, IReadOnlyList<FarmBuilder> farm, Func<int, bool> online, bool[][] eligible)
    {
        this.farm = [.. farm];
        var builders = Enumerable.Range(0, farm.Count).ToArray();
        worths =
        [
            .. classes.Representatives.Select(job => graph[job].System)
                .Select(system => builders.Select(b => (LendingRules.IsNative(farm[b], system), farm[b].SpeedOf(system))).ToArray()),
        ];
        var helping = classes.Representatives.Select(
            job => builders.Select(b => online(b) && LendingRules.MayHelp(graph[job], farm[b])).ToArray())
            .ToArray();
        var known = new Dictionary<string, int>();
        kindOf = [.. builders.Select(b => KindOf(SignatureOf(b, helping), known))];
        var members = Enumerable.Range(0, known.Count).Select(kind => Array.FindAll(builders, b => kindOf[b] == kind)).ToArray();
        placesOf = [.. members.Select(of => of.Sum(b => LendingRules.AllPlaces(farm[b])))];
        helps = [.. helping.Select(may => members.Select(of => may[of[0]]).ToArray())];
        worthOfKind = [.. worths.Select(worth => members.Select(of => worth[of[0]]).ToArray())];
        bestFirst =
        [
            .. worthOfKind.Select(
                (worth, c) =>
                    Enumerable.Range(0, known.Count).Where(kind => helps[c][kind]).OrderByDescending(kind => worth[kind]).ToArray()),
        ];
        BestHome =
        [
            .. eligible.Select((may, c) => builders.Where(b => may[b]).OrderByDescending(b => worths[c][b].Speed).FirstOrDefault(-1)),
        ];
    }

    /// <summary>By class: the fastest builder that may take its jobs; -1: none.</summary>
    public IReadOnlyList<int> BestHome { get; }

    /// <summary>How many kinds of builders there are.</summary>
    public int Kinds => placesOf.Length;

    /// <summary>The kind of a builder.</summary>
    public int KindOf(int builder) => kindOf[builder];

    /// <summary>Whether builders of a kind do compiles for jobs of a class that run on a builder.</summary>
    public bool Helps(int kind, int eligibilityClass, int home) =>
        helps[eligibilityClass][kind] && !LendingRules.IsFarSlower(worthOfKind[eligibilityClass][kind], worths[eligibilityClass][home]);

    /// <summary>The speed of a kind of builders for jobs of a class ÷ that of a builder.</summary>
    public double SpeedOf(int kind, int eligibilityClass, int home) =>
        worthOfKind[eligibilityClass][kind].Speed / worths[eligibilityClass][home].Speed;

    /// <summary>
    /// Places of helpers, each counted by its speed ÷ that of home, of which a part is idle: the best of them, as many as the build can
    /// use.
    /// </summary>
    /// <param name="eligibilityClass">Of the job.</param>
    /// <param name="home">Its builder.</param>
    /// <param name="homePlaces">Its cores.</param>
    /// <param name="idle">The part of the places that can be had: 0 to 1.</param>
    public double Of(int eligibilityClass, int home, int homePlaces, double idle)
    {
        if (!(worths[eligibilityClass][home].Speed > 0)) return 0;
        var all = homePlaces;
        foreach (var kind in bestFirst[eligibilityClass])
        {
            if (Helps(kind, eligibilityClass, home)) all += PlacesOf(kind, home);
        }
        var (left, sum) = ((double)LendingRules.CoresToTell(farm[home], homePlaces, all) - homePlaces, 0.0);
        foreach (var kind in bestFirst[eligibilityClass])
        {
            if (left <= 0 || !Helps(kind, eligibilityClass, home)) break;
            var taken = Math.Min(left, idle * PlacesOf(kind, home));
            left -= taken;
            sum += taken * SpeedOf(kind, eligibilityClass, home);
        }
        return sum;
    }

    /// <summary>What decides whether compiles of jobs of a class are better off on a builder.</summary>
    public Worth WorthOf(int builder, int eligibilityClass) => worths[eligibilityClass][builder];

    private int PlacesOf(int kind, int home) => placesOf[kind] - (kindOf[home] == kind ? LendingRules.AllPlaces(farm[home]) : 0);

    private static int KindOf(string signature, Dictionary<string, int> known)
    {
        if (!known.TryGetValue(signature, out var kind)) known.Add(signature, kind = known.Count);
        return kind;
    }

    private string SignatureOf(int b, bool[][] helping)
    {
        var text = new StringBuilder();
        for (var c = 0; c < helping.Length; c++)
        {
            var (isNative, speed) = worths[c][b];
            // Speeds that differ by less than three percent are the same.
            text.Append(helping[c][b] ? isNative ? 'n' : 'e' : '-')
                .Append(speed > 0 ? (int)Math.Round(Math.Log(speed) / 0.03) : int.MinValue)
                .Append(' ');
        }
        return text.ToString();
    }
}
