using System.Globalization;
using NixBuildFarm.Bench.Farm;

namespace NixBuildFarm.Bench.Share;

/// <summary>What a build with NixBuildFarm came to.</summary>
/// <param name="Seconds">From the command to its end.</param>
/// <param name="Build">The build itself.</param>
/// <param name="Compiles">Compiles that asked.</param>
/// <param name="Shared">Those that others did.</param>
/// <param name="Reused">Those that were found.</param>
/// <param name="Output">Its output.</param>
internal sealed record SharedRun(double Seconds, double Build, int Compiles, int Shared, int Reused, string Output);

/// <summary>A farm whose hosts have a compiler that sleeps before it compiles.</summary>
internal sealed class ShareFarm(string module, string work, string gcc, string wrapper)
{
    /// <summary>Slots of each builder.</summary>
    public const int Slots = 4;

    /// <summary>The builders.</summary>
    public static readonly string[] Builders = [.. Enumerable.Range(1, 8).Select(i => $"b{i}")];

    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Share");
    private int builds;

    /// <summary>Brings the compiler to all hosts.</summary>
    /// <param name="module">The module's manifest.</param>
    /// <param name="work">A folder for files.</param>
    /// <param name="toolchain">What tests/Farm/toolchain/make.sh has made.</param>
    public static async Task<ShareFarm> PrepareAsync(string module, string work, string toolchain)
    {
        string Read(string file) => File.ReadAllText(Path.Combine(toolchain, file)).Trim();
        var closure = Path.Combine(toolchain, "closure");
        foreach (var host in Builders.Prepend("coordinator")) await ShellAsync($"farm exec {host} nix-store --import < {closure}");
        var farm = new ShareFarm(module, work, Read("gcc"), Read("gcc-wrapper"));
        var made = (
            await ShellAsync($"nix-build --no-out-link --option builders '' {Path.Combine(Folder, "program.nix")} -A compilerWrapper "
                + $"{farm.Arguments([])}"))
            .Trim()
            .Split('\n')[^1];
        var exported = Path.Combine(work, "compiler");
        await ShellAsync($"nix-store --export $(nix-store --query --requisites {made}) > {exported}");
        foreach (var host in Builders) await ShellAsync($"farm exec {host} nix-store --import < {exported}");
        await File.WriteAllTextAsync(
            "/etc/nix/machines", string.Concat(Builders.Select(name => $"ssh-ng://root@{name} x86_64-linux - {Slots} 1\n")));
        return farm;
    }

    /// <summary>The derivation of an attribute of program.nix; each call makes another one.</summary>
    public async Task<string> InstantiateAsync(string attribute, params (string Name, string Value)[] arguments)
    {
        var given = Arguments([.. arguments, ("nonce", $"{Guid.NewGuid()}")]);
        var output = await ShellAsync($"nix-instantiate {Path.Combine(Folder, "program.nix")} -A {attribute} {given}");
        return output.Split('\n').Last(line => line.EndsWith(".drv", StringComparison.Ordinal));
    }

    /// <summary>Builds with NixBuildFarm on the first builders.</summary>
    public async Task<SharedRun> OursAsync(string derivation, int builders, string share, int cores = Slots)
    {
        var script = Path.Combine(Folder, "share.ps1");
        var (_, output) = await FarmSetting.RunAsync(
            "engine-host", [script, module, derivation, string.Join(',', Builders.Take(builders)), $"{cores}", share],
            FarmSetting.StateOfItsOwn(work));
        var run = output.Split('\n')
            .Select(line => line.TrimEnd().Split(' '))
            .FirstOrDefault(words => words is ["BUILD", "True", _, _, _, _, _, _])
            ?? throw new InvalidOperationException($"The build failed:\n{output}");
        double Number(int word) => double.Parse(run[word], CultureInfo.InvariantCulture);
        builds++;
        return new(Number(2), Number(3), (int)Number(4), (int)Number(5), (int)Number(6), run[7]);
    }

    /// <summary>Builds with stock Nix on all builders; the seconds.</summary>
    public static async Task<double> StockAsync(string derivation)
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        await ShellAsync($"nix-store --realise {derivation} --max-jobs 0 --option builders @/etc/nix/machines --option cores {Slots}");
        return watch.Elapsed.TotalSeconds;
    }

    private string Arguments(IEnumerable<(string Name, string Value)> more) =>
        string.Join(
            ' ',
            more.Prepend(("wrapper", wrapper))
                .Prepend(("gcc", gcc))
                .Append(("folder", work))
                .Select(one => $"--argstr {one.Item1} '{one.Item2}'"));

    private static async Task<string> ShellAsync(string command)
    {
        var (succeeded, output) = await FarmSetting.RunAsync("bash", ["-euc", $"export NIX_REMOTE=daemon; {command}"]);
        return succeeded ? output : throw new InvalidOperationException($"{command} failed:\n{output}");
    }
}
