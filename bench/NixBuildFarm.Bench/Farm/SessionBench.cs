using System.Globalization;

namespace NixBuildFarm.Bench.Farm;

/// <summary>
/// What a user waits for at the prompt, each in a session of its own: importing the module, a long list of builders, a large plan, the end
/// of a run that is stopped, slots that one leaves which is killed.
/// </summary>
internal static class SessionBench
{
    private const int Builders = 1000, Layers = 100, Width = 100, Sleepers = 9;

    private static readonly (string Word, string Name)[] Steps =
    [
        ("import", "Import-Module"),
        ("builders", $"Get-NixBuilder of {Builders:N0}"),
        ("plan", $"-WhatIf of {Layers * Width + 1:N0} derivations, read from the store"),
        ("stop", $"Ctrl-C while {Sleepers} builds run on four hosts: until the prompt is back"),
        ("ended", "the same, until none of them runs"),
        ("freed", "a coordinator with these builds is killed: until all of its slots are free, as Get-NixBuilder -Live tells"),
    ];

    public static async Task PrintAsync(string module, int runs)
    {
        var work = Directory.CreateTempSubdirectory("nixbuildfarm-session").FullName;
        try
        {
            var machines = Path.Combine(work, "machines");
            await File.WriteAllLinesAsync(
                machines, Enumerable.Range(0, Builders).Select(i => $"ssh-ng://builder{i} x86_64-linux,aarch64-linux - 4 1 big-parallel"));
            var derivation = await InstantiateAsync(Path.Combine(work, "graph.nix"));
            var sleeping = Path.Combine(work, "sleeping.nix");
            await File.WriteAllTextAsync(sleeping, Sleeping);
            var environment = FarmSetting.StateOfItsOwn(work);
            var script = Path.Combine(AppContext.BaseDirectory, "Farm", "session.ps1");
            var measured = new List<Dictionary<string, double>>();
            for (var run = 0; run < runs; run++)
            {
                var (succeeded, output) = await FarmSetting.RunAsync(
                    "pwsh", ["-NoProfile", "-File", script, module, machines, derivation, sleeping, Mark, $"{Sleepers}"],
                    environment);
                if (!succeeded) throw new InvalidOperationException($"The session failed:\n{output}");
                measured.Add(output.Split('\n').Select(line => line.TrimEnd().Split(' ')).Where(words => words.Length == 2)
                    .ToDictionary(words => words[0], words => double.Parse(words[1], CultureInfo.InvariantCulture)));
            }
            Console.WriteLine("| | ms, median (least to most) |");
            Console.WriteLine("|---|---|");
            foreach (var (word, name) in Steps)
            {
                double[] values = [.. measured.Select(one => one[word]).Order()];
                Console.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture, $"| {name} | {values[values.Length / 2]:f0} ({values[0]:f0} to {values[^1]:f0}) |"));
            }
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    /// <summary>What the builds sleep, and no other process does.</summary>
    private const string Mark = "27182.8";

    private static readonly string Sleeping = $$"""
        builtins.genList (i: derivation {
          name = "sleeper${toString i}"; system = "x86_64-linux"; builder = "/bin/sh";
          args = [ "-c" "PATH=/bin:/usr/bin; sleep {{Mark}}" ]; nonce = builtins.currentTime;
        }) {{Sleepers}}
        """;

    /// <summary>Layers of derivations of which each needs three of the layer below.</summary>
    private static async Task<string> InstantiateAsync(string file)
    {
        await File.WriteAllTextAsync(file, string.Create(CultureInfo.InvariantCulture, $$"""
            let
              mod = i: i - {{Width}} * (i / {{Width}});
              package = name: inputs: derivation {
                inherit name inputs; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ];
              };
              layer = below: n: builtins.genList (i: package "package-${toString n}-${toString i}"
                (if n == 0 then [ ] else map (k: builtins.elemAt below (mod (i * 7 + k * 13 + n))) [ 0 1 2 ])) {{Width}};
            in package "root" (builtins.foldl' layer [ ] (builtins.genList (n: n) {{Layers}}))
            """));
        var (succeeded, output) = await FarmSetting.RunAsync("nix-instantiate", [file]);
        return succeeded
            ? output.Split('\n').Last(line => line.EndsWith(".drv", StringComparison.Ordinal))
            : throw new InvalidOperationException(output);
    }
}
