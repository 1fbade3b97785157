using System.Diagnostics;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Builders.Policies;

namespace NixBuildFarm.Bench.Supplying;

/// <summary>
/// What moving store paths costs, ours and stock Nix's in turn, on the farm of <c>tests/Farm</c>. Every store is in memory and
/// every host on this machine, so that these are costs of programs and not of disks and cables.
/// </summary>
internal static class SupplyBench
{
    private const string Host = "ruby";
    private const string Folder = "/tmp/supply-bench";

    /// <summary>Measures and prints.</summary>
    public static async Task PrintAsync(bool isQuick, string? only, string? way)
    {
        if (!Directory.Exists("/run/farm/hosts")) throw new InvalidOperationException("This needs the farm: ./build.sh bench supply");
        Directory.CreateDirectory(Folder);
        var farm = (
            await BuilderInventory.ReadAsync(
                new BuilderSource(), (_, source) => throw new NotSupportedException(source), CancellationToken.None))
            .Builders.Where(b => !b.IsLocal)
            .ToArray();
        var ruby = farm.Single(b => b.Name == Host);
        if (only is null or "large") await LargeAsync(ruby, isQuick, way);
        if (only is null or "layers")
        {
            await TransferLayers.PrintAsync(ruby, await AddAsync("layers", isQuick ? 128 << 20 : 1 << 30), $"{Folder}/layers");
        }
        if (only is null or "small") await SmallAsync(ruby, isQuick, way);
        if (only is null or "graphs") await GraphsAsync(farm, isQuick);
    }

    private static async Task LargeAsync(NixBuilder ruby, bool isQuick, string? way)
    {
        var size = isQuick ? 128 << 20 : 1 << 30;
        var path = await AddAsync("large", size);
        Console.WriteLine($"\n#### One path of {size >> 20} MiB to a builder and back\n");
        await CompareAsync(ruby, [path], isQuick ? 2 : 3, withCat: true, way);
    }

    private static async Task SmallAsync(NixBuilder ruby, bool isQuick, string? way)
    {
        var count = isQuick ? 200 : 2000;
        for (var i = 0; i < count; i++) await WriteAsync($"{Folder}/small-{i}", 4096);
        var paths = new List<string>();
        foreach (var chunk in Enumerable.Range(0, count).Chunk(500))
        {
            paths.AddRange((await Shell.RunAsync("nix-store", ["--add", .. chunk.Select(i => $"{Folder}/small-{i}")])).Split('\n'));
        }
        Console.WriteLine($"\n#### {count} paths of 4 KB to a builder and back\n");
        await CompareAsync(ruby, paths, isQuick ? 2 : 3, withCat: false, way);
    }

    private static async Task CompareAsync(NixBuilder ruby, List<string> paths, int rounds, bool withCat, string? only)
    {
        var ways = new List<Way>
        {
            new("ours", () => OurCopy.RunAsync(null, ruby, paths), () => OurCopy.RunAsync(ruby, null, paths)),
            Stock("ssh"),
            Stock("ssh-ng"),
        };
        var raw = $"{Folder}/large";
        if (withCat)
        {
            ways.Add(new(
                "`ssh cat`",
                () => Shell.RunAsync("bash", "-c", $"ssh root@{Host} 'cat > /nix/raw' < {raw}"),
                () => Shell.RunAsync("bash", "-c", $"ssh root@{Host} 'cat /nix/raw' > /nix/raw")));
            ways.Add(new(
                "`ssh cat`, aes128-gcm",
                () => Shell.RunAsync("bash", "-c", $"ssh -c aes128-gcm@openssh.com root@{Host} 'cat > /nix/raw' < {raw}"),
                () => Shell.RunAsync("bash", "-c", $"ssh -c aes128-gcm@openssh.com root@{Host} 'cat /nix/raw' > /nix/raw")));
        }
        if (only is not null) ways.RemoveAll(way => way.Name != only);
        for (var round = 0; round < rounds; round++)
        {
            foreach (var way in ways)
            {
                await DeleteAsync(Host, paths);
                Memory.ResetPeak();
                var processor = Environment.CpuUsage.TotalTime;
                way.There.Add(await SecondsAsync(way.SendAsync, way.Use));
                await DeleteAsync("coordinator", paths);
                way.Back.Add(await SecondsAsync(way.FetchAsync, way.Use));
                way.Peak = Math.Max(way.Peak, Memory.PeakMegabytes);
                way.Processor.Add((Environment.CpuUsage.TotalTime - processor).TotalSeconds);
                if (way.Name.Contains("cat", StringComparison.Ordinal))
                {
                    await Shell.OnAsync(Host, "rm", "-f", "/nix/raw");
                    File.Delete("/nix/raw");
                }
                // Whoever comes next finds them where they were.
                if (!Path.Exists(paths[0])) await RestoreAsync(paths);
            }
        }
        Console.WriteLine("| | there, s: median (all) | back, s: median (all) | ours, both ways: processor, s; peak memory, MB "
            + "|\n|---|---|---|---|");
        foreach (var way in ways)
        {
            Console.WriteLine($"| {way.Name} | {Show(way.There)} | {Show(way.Back)} | "
                + $"{(way.Name == "ours" ? $"{Median(way.Processor):0.0}; {way.Peak:0}" : "")} |");
        }

        string[] programs =
        [
            .. ways.SelectMany(way => way.Use)
                .GroupBy(use => use.Key)
                .Where(use => use.Sum(u => u.Value) >= 0.1)
                .Select(use => use.Key)
                .Order(),
        ];
        Console.WriteLine($"\nProcessor, s, there and back together (mean):\n\n| | all | {string.Join(" | ", programs)} "
            + $"|\n|---|---|{string.Concat(programs.Select(_ => "---|"))}");
        foreach (var way in ways)
        {
            Console.WriteLine($"| {way.Name} | {way.Use.Values.Sum() / rounds:0.0} | "
                + $"{string.Join(" | ", programs.Select(program => $"{way.Use.GetValueOrDefault(program) / rounds:0.0}"))} |");
        }

        Way Stock(string scheme) => new(
            $"`nix copy`, {scheme}://",
            () => NixCopyAsync("--to", scheme, paths),
            () => NixCopyAsync("--from", scheme, paths));
    }

    private static Task<string> NixCopyAsync(string direction, string scheme, List<string> paths) =>
        Shell.RunAsync("nix", ["copy", "--no-check-sigs", direction, $"{scheme}://root@{Host}", .. paths]);

    /// <summary>A chain and a wide graph whose outputs have 50 MB each, over three builders.</summary>
    private static async Task GraphsAsync(IReadOnlyList<NixBuilder> farm, bool isQuick)
    {
        var megabytes = isQuick ? 5 : 50;
        (string Name, string Expression)[] graphs =
        [
            (
                "chain of 8",
                "builtins.foldl' (below: i: package \"chain${toString i}\" [ below ]) (package \"chain0\" [ ]) (builtins.genList (i: i + "
                    + "1) 7)"),
            ("16 wide, then 4, then 1", """
                let leaf = i: package "leaf${toString i}" [ ];
                    middle = i: package "middle${toString i}" (builtins.genList (j: leaf (4 * i + j)) 4);
                in package "top" (builtins.genList middle 4)
                """),
        ];
        Console.WriteLine($"\n#### Graphs whose outputs have {megabytes} MB each, on three builders\n");
        Console.WriteLine("| graph | | MB over the wire | makespan, s | peak memory of ours, MB |\n|---|---|---|---|---|");
        foreach (var (name, expression) in graphs)
        {
            foreach (
                var (who, copyBack) in new (
                    string,
                    CopyBack?)[] { ("stock Nix", null), ("ours, -CopyBack All", CopyBack.All),
                    ("ours, -CopyBack Requested", CopyBack.Requested) })
            {
                var drv = await InstantiateAsync(expression, megabytes);
                var before = WireBytes(farm);
                Memory.ResetPeak();
                var seconds = await SecondsAsync(() => copyBack is { } policy
                    ? OurBuild.RunAsync(drv, farm, policy)
                    : Shell.RunAsync("nix-store", "--realise", drv, "--max-jobs", "0"));
                Console.WriteLine($"| {name} | {who} | {(WireBytes(farm) - before) / 1e6:0} | {seconds:0.0} | "
                    + $"{(copyBack is null ? "" : $"{Memory.PeakMegabytes:0}")} |");
                foreach (var host in farm.Select(b => b.Name).Append("coordinator"))
                {
                    await Shell.OnAsync(host, "nix-store", "--quiet", "--gc");
                }
            }
        }
    }

    /// <summary>New derivations each time, so that nothing is there already.</summary>
    private static Task<string> InstantiateAsync(string expression, int megabytes) => Shell.RunAsync(
        "nix-instantiate",
        "--quiet",
        "--expr",
        $$"""
        let package = name: inputs: derivation {
              inherit name inputs;
              system = "x86_64-linux";
              builder = "/bin/sh";
              nonce = "{{Guid.NewGuid()}}";
              args = [ "-c" "PATH=/bin:/usr/bin; head -c {{megabytes}}000000 /dev/urandom > $out" ];
            };
        in {{expression}}
        """);

    private static long WireBytes(IReadOnlyList<NixBuilder> farm) => farm.Sum(builder =>
    {
        var port = $"/sys/class/net/v{File.ReadAllText($"/run/farm/hosts/{builder.Name}/number").Trim()}/statistics/";
        return long.Parse(File.ReadAllText(port + "rx_bytes"), null) + long.Parse(File.ReadAllText(port + "tx_bytes"), null);
    });

    private static async Task<string> AddAsync(string name, int size)
    {
        await WriteAsync($"{Folder}/{name}", size);
        return await Shell.RunAsync("nix-store", "--add", $"{Folder}/{name}");
    }

    /// <summary>Nothing that compresses.</summary>
    private static async Task WriteAsync(string file, int size)
    {
        await using var stream = File.Create(file);
        var random = new Random(file.GetHashCode(StringComparison.Ordinal));
        var piece = new byte[Math.Min(size, 1 << 20)];
        for (var left = size; left > 0; left -= piece.Length)
        {
            random.NextBytes(piece);
            await stream.WriteAsync(piece.AsMemory(0, Math.Min(left, piece.Length)));
        }
    }

    private static async Task RestoreAsync(IReadOnlyList<string> paths)
    {
        foreach (var chunk in paths.Chunk(500))
        {
            await Shell.RunAsync(
                "nix-store", ["--add", .. chunk.Select(path => $"{Folder}/{path[(path.IndexOf('-', StringComparison.Ordinal) + 1)..]}")]);
        }
    }

    private static async Task DeleteAsync(string host, IReadOnlyList<string> paths)
    {
        foreach (var chunk in paths.Chunk(500)) await Shell.OnAsync(host, ["nix-store", "--quiet", "--delete", .. chunk]);
    }

    private static async Task<double> SecondsAsync(Func<Task> work, Dictionary<string, double>? use = null)
    {
        await using var processor = use is null ? null : new ProcessorUse();
        var clock = Stopwatch.StartNew();
        await work();
        var seconds = clock.Elapsed.TotalSeconds;
        if (processor is null) return seconds;
        foreach (var (program, spent) in await processor.StopAsync()) use![program] = use.GetValueOrDefault(program) + spent;
        return seconds;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static string Show(List<double> seconds) =>
        $"{Median(seconds):0.00} ({string.Join(", ", seconds.Select(s => $"{s:0.00}"))})";

    private sealed class Way(string name, Func<Task> send, Func<Task> fetch)
    {
        public string Name { get; } = name;

        public Func<Task> SendAsync { get; } = send;

        public Func<Task> FetchAsync { get; } = fetch;

        public List<double> There { get; } = [];

        public List<double> Back { get; } = [];

        public List<double> Processor { get; } = [];

        /// <summary>Seconds on the processor of each program, all rounds together.</summary>
        public Dictionary<string, double> Use { get; } = [];

        public double Peak { get; set; }
    }
}
