using BenchmarkDotNet.Attributes;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Bench.Parts;

/// <summary>Reading and writing derivations: the files of a folder, else generated ones of the size that nixpkgs has.</summary>
public class DerivationBenchmarks
{
    private byte[][] files = [];
    private Derivation[] derivations = [];
    private int next;

    /// <summary>The folder with the <c>.drv</c> files; null: they are generated.</summary>
    internal static string? Folder { get; set; }

    /// <summary>Reads the files into memory.</summary>
    [GlobalSetup]
    public void Read()
    {
        files = Folder is null
            ? [.. Enumerable.Range(0, 200).Select(i => DerivationWriter.Write(Generate(i)))]
            : [.. Directory.GetFiles(Folder, "*.drv", SearchOption.AllDirectories).Select(File.ReadAllBytes)];
        if (files.Length == 0) throw new InvalidOperationException($"There is no .drv file in {Folder}.");
        derivations = [.. files.Select(file => Derivation.Parse(file))];
    }

    /// <summary>One after the other, so that the mean is that of a derivation.</summary>
    [Benchmark(Description = "parse a derivation")]
    public object Parse() => Derivation.Parse(files[next++ % files.Length]);

    /// <summary>The same for writing.</summary>
    [Benchmark(Description = "write a derivation")]
    public byte[] Write() => DerivationWriter.Write(derivations[next++ % derivations.Length]);

    private static Derivation Generate(int number) => new()
    {
        Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(PathOf($"package-{number}", number), "", "") },
        InputDerivations = Enumerable.Range(0, 12)
            .ToDictionary(i => PathOf($"input-{i}.drv", (number * 12) + i), IReadOnlyList<string> (_) => ["out"]),
        InputSources = [PathOf("default-builder.sh", number)],
        System = "x86_64-linux",
        Builder = "/nix/store/00000000000000000000000000000000-bash-5.3/bin/bash",
        Arguments = ["-e", "/nix/store/00000000000000000000000000000000-default-builder.sh"],
        Environment = Enumerable.Range(0, 40)
            .ToDictionary(i => $"variable{i}", i => $"a value \"{i}\" with\nseveral lines, as configureFlags has"),
    };

    private static StorePath PathOf(string name, int number)
    {
        var hash = number.ToString("x", null).Replace('e', 'z').PadLeft(StorePath.HashLength, '0');
        return StorePath.Parse($"{StorePath.StoreFolder}/{hash}-{name}");
    }
}
