using System.Diagnostics;
using System.Globalization;

namespace NixBuildFarm.Bench.Farm;

/// <summary>Somebody who builds a case.</summary>
internal abstract class Contender(string name)
{
    /// <summary>How it is called in the table.</summary>
    public string Name => name;

    /// <summary>Whether the case is for it.</summary>
    public virtual bool Takes(FarmCase chosen) => true;

    /// <summary>The file that appears when the clock starts, which is not when the process does.</summary>
    public static string MarkOf(string expression) => expression + ".begun";

    /// <summary>Builds an expression of a case.</summary>
    public abstract Task<FarmRun> RunAsync(FarmCase chosen, string expression);

    /// <summary>The contenders, in the order in which they run: the second run of ours learns from the first.</summary>
    public static IReadOnlyList<Contender> All(string module, string work) =>
    [
        new StockNix("stock", isTuned: false),
        new StockNix("stock, tuned", isTuned: true),
        new Ours("ours, first run", module, work, forgets: true),
        new Ours("ours, second run", module, work, forgets: false),
        new BareLoop(),
    ];
}

/// <summary>
/// Nix's own distributed builds; tuned: with SSH masters started beforehand, and builds that wait looking for a slot at once.
/// </summary>
internal sealed class StockNix(string name, bool isTuned) : Contender(name)
{
    private const string Masters = "/run/nixbuildfarm-bench-masters";

    public override bool Takes(FarmCase chosen) => isTuned || !chosen.IsTooLongForStock;

    public override async Task<FarmRun> RunAsync(FarmCase chosen, string expression)
    {
        List<string> arguments =
        [
            expression, "--no-out-link", "--keep-going", "--max-jobs", $"{chosen.LocalSlots}", "--option", "builders", "@/etc/nix/machines",
        ];
        var environment = new Dictionary<string, string>();
        if (isTuned)
        {
            Directory.CreateDirectory(Masters);
            foreach (var host in FarmSetting.Builders.Select(builder => FarmSetting.HostName(builder, chosen)))
            {
                await FarmSetting.RunAsync("ssh", ["-fNM", "-S", $"{Masters}/{host}", $"root@{host}"], streams: false);
            }
            environment["NIX_SSHOPTS"] = $"-oControlPath={Masters}/%n";
            arguments.AddRange(["--option", "build-poll-interval", "0"]);
        }
        await File.WriteAllTextAsync(MarkOf(expression), "");
        var watch = Stopwatch.StartNew();
        var (succeeded, _) = await FarmSetting.RunAsync("nix-build", arguments, environment);
        var run = new FarmRun { Succeeded = succeeded, Seconds = watch.Elapsed.TotalSeconds };
        if (isTuned)
        {
            foreach (var host in FarmSetting.Builders.Select(builder => FarmSetting.HostName(builder, chosen)))
            {
                await FarmSetting.RunAsync("ssh", ["-O", "exit", "-S", $"{Masters}/{host}", $"root@{host}"]);
            }
        }
        return run;
    }
}

/// <summary>NixBuildFarm, in a session of its own; the first run knows nothing, the second what the first has taught.</summary>
internal sealed class Ours(string name, string module, string work, bool forgets) : Contender(name)
{
    public override async Task<FarmRun> RunAsync(FarmCase chosen, string expression)
    {
        var state = Path.Combine(work, "state");
        if (forgets && Directory.Exists(state)) Directory.Delete(state, recursive: true);
        var environment = new Dictionary<string, string> { ["XDG_STATE_HOME"] = state };
        var warmUp = Path.Combine(work, "warm-up.nix");
        await File.WriteAllTextAsync(
            warmUp,
            new FarmCase
            {
                Name = "warm-up",
                Work = [.. Enumerable.Range(0, 12).Select(i => new Work($"warm{i}", 0))],
            }.Expression(Guid.NewGuid().ToString()));
        var script = Path.Combine(AppContext.BaseDirectory, "Farm", "ours.ps1");
        var (_, output) = await FarmSetting.RunAsync(
            "engine-host",
            [script, module, warmUp, expression, MarkOf(expression), chosen.LocalSlots > 0 ? "with" : "without"],
            environment);
        var lines = output.Split('\n').Select(line => line.TrimEnd().Split(' ')).ToArray();
        var run = lines.FirstOrDefault(words => words is ["RUN", _, _, _])
            ?? throw new InvalidOperationException($"The build told nothing:\n{output}");
        var builds = lines.Where(words => words is ["BUILD", "True", _, _, _])
            .Select(words => new Build(words[2], Number(words[3]), Number(words[4])))
            .ToArray();
        return new FarmRun
        {
            Succeeded = builds.Length == chosen.Work.Count,
            Seconds = Number(run[1]),
            Processor = Number(run[2]),
            Memory = (long)Number(run[3]),
            Idle = chosen.Work.Any(one => one.Inputs.Length > 0) ? null : IdleBetween(builds, chosen),
            Shares = builds.GroupBy(build => build.Builder).ToDictionary(group => group.Key, group => group.Count()),
        };
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>All builds were ready from the start: each slot takes the next as soon as it can.</summary>
    private static double? IdleBetween(IReadOnlyList<Build> builds, FarmCase chosen)
    {
        var gaps = new List<double>();
        foreach (var onBuilder in builds.GroupBy(build => build.Builder))
        {
            var slots = onBuilder.Key == "local" ? chosen.LocalSlots : FarmSetting.Slots;
            var ends = new Queue<double>(onBuilder.Select(build => build.Started + build.Seconds).Order());
            gaps.AddRange(
                onBuilder.OrderBy(build => build.Started).Skip(slots).Select(build => Math.Max(0, build.Started - ends.Dequeue())));
        }
        gaps.Sort();
        return gaps.Count == 0 ? null : gaps[gaps.Count / 2];
    }

    private sealed record Build(string Builder, double Started, double Seconds);
}
