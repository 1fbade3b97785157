using System.Globalization;
using System.Text;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Bench.Farm;

/// <summary>A derivation of a case.</summary>
/// <param name="Name">Its name: stock Nix starts what is ready in this order.</param>
/// <param name="Seconds">What it sleeps on a builder of speed 1; 0: it does nothing.</param>
/// <param name="Inputs">Indexes of what it needs.</param>
internal sealed record Work(string Name, double Seconds, params int[] Inputs);

/// <summary>One thing to build, and where. Sleeping stands for compiling.</summary>
internal sealed record FarmCase
{
    private const string X86 = "x86_64-linux";
    private const string Floating = " __contentAddressed = true; outputHashMode = \"recursive\"; outputHashAlgo = \"sha256\";";

    /// <summary>How it is called in the table.</summary>
    public required string Name { get; init; }

    /// <summary>The derivations, each after what it needs.</summary>
    public required IReadOnlyList<Work> Work { get; init; }

    /// <summary>Builds at a time on the coordinator itself.</summary>
    public int LocalSlots { get; init; }

    /// <summary>How much faster the builder <see cref="FarmSetting.Fast"/> is than the others.</summary>
    public double FastSpeed { get; init; } = 1;

    /// <summary>Whether every round trip to a builder takes 50 ms longer.</summary>
    public bool IsFarAway { get; init; }

    /// <summary>When a builder is lost, in seconds after the start.</summary>
    public double? LossAt { get; init; }

    /// <summary>Whether the paths of all outputs follow from their contents.</summary>
    public bool IsContentAddressed { get; init; }

    /// <summary>Whether the default of stock Nix would take minutes to say what is known from fewer derivations.</summary>
    public bool IsTooLongForStock { get; init; }

    /// <summary>The makespan that nothing can beat, in seconds; 0 where builds do nothing.</summary>
    public double Bound => LowerBound.Of(
        new JobGraph([.. Work.Select(work => new Job { Name = work.Name, System = X86, Dependencies = work.Inputs })]),
        [.. Farm],
        [.. Work.Select(work => work.Seconds)]).Seconds;

    private IEnumerable<FarmBuilder> Farm =>
        FarmSetting.Builders.Select(name => Builder(name, FarmSetting.Slots, name == FarmSetting.Fast ? FastSpeed : 1))
            .Append(Builder("local", LocalSlots, 1));

    /// <summary>All cases.</summary>
    public static IReadOnlyList<FarmCase> All { get; } =
    [
        new() { Name = "chain of 20, trivial", Work = Chain("link", 20, 0) },
        new() { Name = "100 independent, trivial", Work = Independent(100, 0) },
        new() { Name = "1,000 independent, trivial", Work = Independent(1000, 0), IsTooLongForStock = true },
        new() { Name = "60 skewed, long ones named first", Work = Skewed(i => i) },
        new() { Name = "60 skewed, long ones named last", Work = Skewed(i => 59 - i) },
        new() { Name = "60 skewed, mixed", Work = Skewed(i => i * 37 % 60) },
        new() { Name = "chain among many, named first", Work = [.. Chain("a-link", 10, 1.5), .. Crowd("b")] },
        new() { Name = "chain among many, named last", Work = [.. Chain("z-link", 10, 1.5), .. Crowd("b")] },
        new() { Name = "chain among many, mixed", Work = [.. Chain("m-link", 10, 1.5), .. Crowd("a", 35), .. Crowd("z", 35)] },
        new() { Name = "48 × 1 s", Work = Independent(48, 1) },
        new() { Name = "48 × 1.5 s, one builder 3 × as fast", Work = Independent(48, 1.5), FastSpeed = 3 },
        new() { Name = "48 × 1 s, 4 local slots too", Work = Independent(48, 1), LocalSlots = 4 },
        new() { Name = "60 skewed, mixed, 4 local slots too", Work = Skewed(i => i * 37 % 60), LocalSlots = 4 },
        new() { Name = "24 × 10 s", Work = Independent(24, 10) },
        new() { Name = "48 × 1 s, a builder lost after 3 s", Work = Independent(48, 1), LossAt = 3 },
        new() { Name = "100 independent, trivial, 50 ms away", Work = Independent(100, 0), IsFarAway = true },
        new() { Name = "500 content-addressed compiles of 0.2 s", Work = Program(500, 0.2), IsContentAddressed = true },
    ];

    /// <summary>The case as an expression; another nonce makes other derivations.</summary>
    public string Expression(string nonce)
    {
        var text = new StringBuilder($$"""
            let
              work = name: seconds: inputs: derivation {
                inherit name inputs seconds;
                system = "{{X86}}";
                builder = "/bin/sh";
                nonce = "{{nonce}}";
                args = [ "-euc" "PATH=/bin:/usr/bin\n{{Script}}\necho $name $nonce > $out" ];{{(IsContentAddressed ? Floating : "")}}
              };

            """);
        for (var i = 0; i < Work.Count; i++)
        {
            var inputs = string.Join(' ', Work[i].Inputs.Select(input => $"w{input}"));
            text.Append(FormattableString.Invariant($"  w{i} = work \"{Work[i].Name}\" \"{Work[i].Seconds}\" [ {inputs} ];\n"));
        }
        text.Append("in [ ").AppendJoin(' ', Enumerable.Range(0, Work.Count).Select(i => $"w{i}")).Append(" ]\n");
        return text.ToString();
    }

    private string Script => Work.All(work => work.Seconds == 0) ? ":"
        : FastSpeed == 1 ? "sleep $seconds"
        : string.Create(
            CultureInfo.InvariantCulture,
            $"read -r host < /proc/sys/kernel/hostname; "
                + $"[ $host = {FarmSetting.Fast} ] && sleep $(awk \\\"BEGIN {{ print $seconds / {FastSpeed} }}\\\") "
                + $"|| [ $host = {FarmSetting.Fast} ] || sleep $seconds");

    private static FarmBuilder Builder(string name, int slots, double speed) =>
        new() { Name = name, MaxJobs = slots, Systems = [new(X86, speed)] };

    private static Work[] Chain(string name, int length, double seconds) =>
        [.. Enumerable.Range(0, length).Select(i => new Work($"{name}{i:d2}", seconds, i == 0 ? [] : [i - 1]))];

    private static Work[] Independent(int count, double seconds) =>
        [.. Enumerable.Range(0, count).Select(i => new Work($"job{i:d4}", seconds))];

    /// <summary>Compiles that all need one header, and the link that needs all of them.</summary>
    private static Work[] Program(int units, double seconds) =>
    [
        new("header", 0),
        .. Enumerable.Range(1, units).Select(i => new Work($"unit{i:d3}", seconds, 0)),
        new("link", seconds, [.. Enumerable.Range(1, units)]),
    ];

    /// <summary>75 s of short builds for the five slots beside the chain.</summary>
    private static Work[] Crowd(string name, int count = 70) =>
        [.. Enumerable.Range(0, count).Select(i => new Work($"{name}-short{i:d2}", 0.9))];

    /// <summary>Six long builds and 54 short ones: 11.3 s for six slots if the long ones begin in time.</summary>
    private static Work[] Skewed(Func<int, int> order) => [.. Enumerable.Range(0, 60)
        .Select(i => (Rank: order(i), Seconds: i < 6 ? 6.0 : 0.3 + 0.02 * i % 0.9))
        .Select(work => new Work($"job{work.Rank:d2}", Math.Round(work.Seconds, 2)))];
}
