namespace NixBuildFarm.Farm.Tests.Hosts;

/// <summary>
/// Further lines of the coordinator's nix.conf, for as long as a test holds them. New connections to its daemon heed them.
/// </summary>
public sealed class NixSetting : IAsyncDisposable
{
    private const string File = "/etc/nix/nix.conf";
    private readonly TestFarm farm;
    private readonly string before;

    private NixSetting(TestFarm farm, string before)
    {
        this.farm = farm;
        this.before = before;
    }

    public static async Task<NixSetting> AddAsync(TestFarm farm, params IEnumerable<string> lines)
    {
        var setting = new NixSetting(farm, await System.IO.File.ReadAllTextAsync(File));
        await setting.WriteAsync($"{setting.before}\n{string.Join('\n', lines)}\n");
        return setting;
    }

    public async ValueTask DisposeAsync() => await WriteAsync(before);

    // A daemon reads its file when it starts.
    private async Task WriteAsync(string text)
    {
        await System.IO.File.WriteAllTextAsync(File, text);
        await farm.ControlAsync("daemon-kill", "coordinator");
        await farm.ControlAsync("daemon-start", "coordinator");
    }
}
