using NixBuildFarm.Bench.Farm;

namespace NixBuildFarm.Bench.Front;

/// <summary>A farm that serves while a benchmark runs, and has built before.</summary>
internal sealed class ServingFarm : IAsyncDisposable
{
    private const string Module = "NIXBUILDFARM_BENCH_MODULE";
    private const string Start = """
        Import-Module $env:NIXBUILDFARM_BENCH_MODULE
        "ADDRESS $((Start-NixBuildFarm bench -Builder aquamarine, ruby, kana).Address)"
        """;

    private const string Stop = "Import-Module $env:NIXBUILDFARM_BENCH_MODULE; Stop-NixBuildFarm bench";

    private readonly Dictionary<string, string> environment;

    private ServingFarm(string address, Dictionary<string, string> environment) => (Address, this.environment) = (address, environment);

    /// <summary>What clients give as NIX_REMOTE.</summary>
    public string Address { get; }

    /// <summary>Starts it.</summary>
    /// <param name="module">The module's manifest.</param>
    /// <param name="work">A folder for its state.</param>
    public static async Task<ServingFarm> StartAsync(string module, string work)
    {
        var own = new Dictionary<string, string> { [Module] = module, ["XDG_STATE_HOME"] = Path.Combine(work, "farm-state") };
        var (succeeded, output) = await FarmSetting.RunAsync("pwsh", ["-NoProfile", "-NonInteractive", "-Command", Start], own);
        var said = output.Split('\n').FirstOrDefault(line => line.StartsWith("ADDRESS ", StringComparison.Ordinal));
        var address = said?.Split(' ')[1].Trim();
        if (!succeeded || address is null) throw new InvalidOperationException($"The farm did not start:\n{output}");
        var farm = new ServingFarm(address, own);
        var warmUp = Path.Combine(work, "warm-up.nix");
        var few = new FarmCase { Name = "warm-up", Work = [.. Enumerable.Range(0, 12).Select(i => new Farm.Work($"warm{i}", 0))] };
        await File.WriteAllTextAsync(warmUp, few.Expression(Guid.NewGuid().ToString()));
        await FarmSetting.RunAsync("nix-build", [warmUp, "--no-out-link"], new Dictionary<string, string> { ["NIX_REMOTE"] = address });
        return farm;
    }

    public async ValueTask DisposeAsync() =>
        await FarmSetting.RunAsync("pwsh", ["-NoProfile", "-NonInteractive", "-Command", Stop], environment);
}
