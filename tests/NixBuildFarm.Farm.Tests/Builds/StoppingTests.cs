using NixBuildFarm.EngineHost.Recording;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>Ctrl-C: the prompt is back within a second, and within two more no build of ours runs anywhere.</summary>
public sealed class StoppingTests(TestFarm farm) : IDisposable
{
    private const string Marker = "31415";
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    [EveryNix("Ctrl-C ends the builds on builders")]
    public async Task Ctrl_C_in_the_middle_of_builds_ends_them_on_every_builder()
    {
        session.Write("long", $$"""package "root" "echo > $out" (many 9 (i: package "leaf${toString i}" "sleep {{Marker}}" [ ]))""");
        using var running = session.Start("Get-NixBuilder | Invoke-NixDistributedBuild -Path long.nix");
        await Until.TrueAsync(async () => (await SleepersAsync()).Distinct().Count() == 4, "a build runs on each host");

        await Task.Run(running.Stop, TestContext.Current.CancellationToken).WaitAsync(Until.Limit, TestContext.Current.CancellationToken);

        Assert.True(running.Wait(Until.Limit).Stopped);
        await Until.TrueAsync(async () => (await SleepersAsync()).Count == 0, "no build runs");
    }

    [Fact]
    public async Task A_downstream_command_that_has_enough_ends_the_builds_too()
    {
        session.Write("long", $$"""[ (package "quick" (sleep 0) [ ]) (package "slow" "sleep {{Marker}}" [ ]) ]""");
        using var running =
            session.Start("foreach ($i in 1) { Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path long.nix | ForEach-Object { break } "
                + "}");

        running.Wait(RecordingSession.Limit);

        await Until.TrueAsync(async () => (await SleepersAsync()).Count == 0, "no build runs");
    }

    [Fact]
    public async Task Ctrl_C_in_a_shell_ends_the_builds_too()
    {
        session.Write("long", $$"""package "slow" "sleep {{Marker}}" [ ]""");
        File.Copy(Path.Combine(session.Folder, "long.nix"), "/home/alice/long.nix", overwrite: true);
        using var shell = farm.StartPowerShell("alice", "Get-NixBuilder kana | Invoke-NixDistributedBuild -Path long.nix");
        await Until.TrueAsync(async () => (await SleepersAsync()).Contains("kana"), "the build runs on kana");

        await shell.InterruptAsync();

        Assert.Equal(130, (await shell.WaitAsync(TestContext.Current.CancellationToken)).ExitCode);
        await Until.TrueAsync(async () => (await SleepersAsync()).Count == 0, "no build runs");
    }

    /// <summary>The hosts on which a build of these tests runs, once for each build.</summary>
    private async Task<IReadOnlyList<string>> SleepersAsync()
    {
        var hosts = new List<string>();
        foreach (var host in farm.Builders)
        {
            var found = await host.ExecAsync("bash", "-c", $"grep -slz '^{Marker}$' /proc/[0-9]*/cmdline | wc -l");
            hosts.AddRange(Enumerable.Repeat(host.Name, int.Parse(found)));
        }
        // The coordinator sees the processes of all.
        var all = await farm.Coordinator.ExecAsync("bash", "-c", $"grep -slz '^{Marker}$' /proc/[0-9]*/cmdline | wc -l");
        hosts.AddRange(Enumerable.Repeat("coordinator", int.Parse(all) - hosts.Count));
        return hosts;
    }
}
