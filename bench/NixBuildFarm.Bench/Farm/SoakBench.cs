using System.Globalization;

namespace NixBuildFarm.Bench.Farm;

/// <summary>
/// Whether a session that builds again and again comes to hold more and more: open files, sockets, threads, processes, memory. One builder
/// is behind another, so that the ssh program carries its channels.
/// </summary>
internal static class SoakBench
{
    private static readonly (string Name, double MayGrow)[] Columns =
    [
        ("open files", 6), ("sockets", 4), ("pipes", 4), ("threads", 6), ("processes", 0), ("managed memory, MB", 4),
        ("working set, MB", 30),
    ];

    /// <summary>Prints the table.</summary>
    /// <returns>Whether nothing has grown beyond its limit.</returns>
    public static async Task<bool> PrintAsync(string module, int runs)
    {
        if (runs < 10) throw new ArgumentOutOfRangeException(nameof(runs), runs, "Ten runs at least: the first take what stays.");
        var work = Directory.CreateTempSubdirectory("nixbuildfarm-soak").FullName;
        try
        {
            var expression = Path.Combine(work, "soak.nix");
            await File.WriteAllTextAsync(expression, Expression);
            await File.WriteAllTextAsync(
                FarmSetting.SshConfig, $"Host {FarmSetting.Builders[^1]}\n  ProxyJump {FarmSetting.Builders[0]}\n");
            int[] looks = [runs / 10, runs / 2, runs];
            var script = Path.Combine(AppContext.BaseDirectory, "Farm", "soak.ps1");
            var command = string.Create(
                CultureInfo.InvariantCulture, $"& '{script}' '{module}' '{expression}' {runs} {string.Join(',', looks)}");
            var (succeeded, output) = await FarmSetting.RunAsync(
                "pwsh", ["-NoProfile", "-Command", command], FarmSetting.StateOfItsOwn(work));
            if (!succeeded) throw new InvalidOperationException($"The session failed:\n{output}");
            return Print(output);
        }
        finally
        {
            File.Delete(FarmSetting.SshConfig);
            Directory.Delete(work, recursive: true);
        }
    }

    private static bool Print(string output)
    {
        double[][] rows =
        [
            .. output.Split('\n').Select(line => line.TrimEnd().Split(' ')).Where(words => words is ["LOOK", ..])
                .Select(words => words.Skip(1).Select(word => double.Parse(word, CultureInfo.InvariantCulture)).ToArray()),
        ];
        Console.WriteLine($"| after run | {string.Join(" | ", Columns.Select(column => column.Name))} |");
        Console.WriteLine($"|---|{string.Concat(Columns.Select(_ => "---|"))}");
        foreach (var row in rows) Console.WriteLine(Line(row));
        Console.WriteLine($"| may grow by {Line(Columns.Select(column => column.MayGrow))}");
        var isFlat = true;
        for (var i = 0; i < Columns.Length; i++)
        {
            var growth = rows[^1][i + 1] - rows[1][i + 1];
            if (growth <= Columns[i].MayGrow) continue;
            isFlat = false;
            Console.Error.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Columns[i].Name}: {growth:0.#} more after run {rows[^1][0]} than after run {rows[1][0]}"));
        }
        return isFlat;
    }

    private static string Line(IEnumerable<double> values) =>
        $"| {string.Join(" | ", values.Select(value => value.ToString(CultureInfo.InvariantCulture)))} |";

    /// <summary>A dozen independent derivations, and one that needs them all: every builder is used, and sends to another.</summary>
    private const string Expression = """
        let
          package = name: inputs: derivation {
            inherit name inputs; system = "x86_64-linux"; builder = "/bin/sh"; nonce = "@run@";
            args = [ "-c" "echo a line of the log; echo $inputs > $out" ];
          };
        in package "all" (builtins.genList (i: package "part-${toString i}" [ ]) 12)
        """;
}
