using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Faults;

/// <summary>
/// The guarantee: kill -9 of PowerShell at any moment leaves a sound store, nothing behind on the builders, and less to do for the next
/// run.
/// </summary>
public sealed class KilledRunTests(TestFarm farm) : IAsyncDisposable
{
    private const int Kills = 6;
    private const int Leaves = 24;
    private readonly FaultyRun run = new(farm);

    public ValueTask DisposeAsync() => run.DisposeAsync();

    [Fact]
    public async Task A_run_that_is_killed_again_and_again_is_done_in_the_end_and_what_was_home_is_not_built_again()
    {
        run.Session.Write("wide", $$"""package "root" "cat $inputs > $out" (many {{Leaves}} (i: package "leaf${toString i}" "echo $name >> /tmp/killed-runs; sleep 0.31; head -c 3000000 /dev/zero > $out" [ ]))""");
        File.Copy(Path.Combine(run.Session.Folder, "wide.nix"), "/home/alice/wide.nix", overwrite: true);
        FarmHost[] builders = [farm.Ruby, farm.Kana];
        var outputs = (
            await farm.Coordinator.ExecAsync(
                "bash",
                "-c",
                "nix-store --query --outputs $(nix-store --query --requisites $(nix-instantiate /home/alice/wide.nix) | grep -e "
                    + "'-leaf.*drv$')"))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(Leaves, outputs.Length);
        var home = new Dictionary<string, int>();
        foreach (var builder in builders) await builder.ExecAsync("bash", "-c", ": > /tmp/killed-runs; chmod 666 /tmp/killed-runs");
        var random = new Random(7);

        for (var kill = 0; kill < Kills; kill++)
        {
            using (
                var shell = farm.StartPowerShell("alice", "'ready'; Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path wide.nix"))
            {
                Assert.Equal("ready", await shell.Output.ReadLineAsync(TestContext.Current.CancellationToken));
                await Task.Delay(random.Next(3000), TestContext.Current.CancellationToken);
                // The end of the block kills it, and all that it started.
            }
            foreach (var builder in builders) await FaultyRun.NothingRunsAsync("0.31", builder);
            var missing = await farm.Coordinator.ExecAsync(["nix-store", "--check-validity", "--print-invalid", .. outputs]);
            var builds = await BuildsAsync(builders);
            foreach (var output in outputs.Where(output => !missing.Contains(output, StringComparison.Ordinal)))
            {
                home.TryAdd(NameOf(output), builds.Count(name => name == NameOf(output)));
            }
        }

        await farm.Coordinator.ExecAsync("nix-store", "--verify", "--check-contents");
        await run.NothingIsLeftAsync(builders);
        var last = await farm.PowerShellAsync(
            "alice", "(Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path wide.nix | Where-Object Name -eq root).Status");
        Assert.True(last.Succeeded, last.ToString());
        Assert.Contains(last.Output.Trim(), (string[])["Built", "AlreadyValid"]);
        // What was home when a run was killed was not built again, however often.
        var all = await BuildsAsync(builders);
        Assert.Equal(Leaves, all.Distinct().Count());
        Assert.All(home, known => Assert.Equal(known.Value, all.Count(name => name == known.Key)));
        foreach (var builder in builders)
        {
            // No temp root of any of these runs protects anything.
            Assert.Contains("-leaf", await builder.ExecAsync("nix-store", "--gc", "--print-dead"));
        }
    }

    [Fact]
    public async Task A_run_that_is_killed_is_in_the_history_as_one_that_goes_on_and_then_as_interrupted()
    {
        run.Session.Write("long", """package "top" "cat $inputs > $out; sleep 3000.1" [ (package "quick" "echo > $out" [ ]) ]""");
        File.Copy(Path.Combine(run.Session.Folder, "long.nix"), "/home/alice/long.nix", overwrite: true);
        const string Last = "Get-NixBuild -Last 1 | ForEach-Object { \"$($_.State) $($_.Requested)\" }";
        using (var shell = farm.StartPowerShell("alice", "'ready'; Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path long.nix"))
        {
            await FaultyRun.UntilBuilding(farm.Ruby, "3000.1")();
            Assert.Equal("Running long.nix", (await farm.PowerShellAsync("alice", Last)).Output.Trim());
        }

        Assert.Equal("Interrupted long.nix", (await farm.PowerShellAsync("alice", Last)).Output.Trim());
        Assert.Contains(
            "quick", (await farm.PowerShellAsync("alice", "(Get-NixBuild -State Interrupted -Last 1 -Result).Name -join ' '")).Output);
        await FaultyRun.NothingRunsAsync("3000.1", farm.Ruby);
    }

    private static string NameOf(string output) => output[(output.LastIndexOf('-') + 1)..];

    /// <summary>The names of all that was built, once for each time.</summary>
    private static async Task<IReadOnlyList<string>> BuildsAsync(IEnumerable<FarmHost> builders)
    {
        var names = new List<string>();
        foreach (var builder in builders)
        {
            names.AddRange((await builder.ExecAsync("cat", "/tmp/killed-runs")).Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
        return names;
    }
}
