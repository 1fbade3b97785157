using System.Text.Json.Nodes;
using NixBuildFarm.EngineHost;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Faults;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builders;

/// <summary>What machines have now, and what runs make of it.</summary>
public sealed class LiveTests(TestFarm farm) : IDisposable
{
    /// <summary>What a process that reads a machine has among its arguments, as a pattern that grep does not find in its own.</summary>
    private const string Reader = "while read -r nex[t]; do";

    private readonly BuildSession session = new();

    public void Dispose()
    {
        session.Run("Reset-NixBuilderPolicy -All; $env:NIXBUILDFARM_JOURNAL = $null");
        session.Dispose();
    }

    [Fact]
    public async Task Every_machine_tells_what_it_has_and_one_that_cannot_be_reached_is_an_error()
    {
        await using var garnet = await farm.AddAsync("garnet", "--user", "nix");
        await using var stopped = await garnet.InflictAsync(Fault.SshdStopped);

        var live = session.Run("Get-NixBuilder local, aquamarine, ruby, garnet -Live");

        Assert.Equal(["aquamarine", "local", "ruby"], live.Script.Output.Select(reading => $"{reading.Properties["Name"].Value}").Order());
        Assert.All(live.Script.Output, reading =>
        {
            Assert.Equal(Environment.ProcessorCount, reading.Properties["Cores"].Value);
            Assert.InRange((long)reading.Properties["MemoryAvailable"].Value, 1, (long)reading.Properties["Memory"].Value);
            Assert.InRange((long)reading.Properties["StoreFree"].Value, 1, 2L << 30);
        });
        Assert.Contains("garnet", live.Errors);
        Assert.Single(live.Script.Errors);
        await NobodyReadsAsync(farm.Ruby);
    }

    [Fact]
    public async Task A_login_that_may_run_nothing_but_Nix_builds_and_does_not_tell()
    {
        await using var garnet = await farm.AddAsync(
            "garnet", "--user", "nix", "--sshd", "Match User nix", "--sshd", "ForceCommand nix-daemon --stdio");
        session.Write("one", "package \"one\" (sleep 2) [ ]");

        var build = session.Run("Get-NixBuilder garnet | Invoke-NixDistributedBuild -Path one.nix -Verbose").Succeeded();

        Assert.Equal("garnet", build["one"].Builder);
        Assert.Single(build.Script.Verbose, said => said.StartsWith("garnet does not tell what its machine has", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_memory_of_a_build_is_seen_while_it_runs_and_nobody_reads_when_the_run_is_over()
    {
        session.Write("big", "package \"big\" \"(head -c 200M /dev/zero; sleep 14) | tail -n 1 | wc -c > $out\" [ ]");
        var journal = Path.Combine(session.Folder, "journal");

        session.Run($"$env:NIXBUILDFARM_JOURNAL = '{journal}'; Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path big.nix").Succeeded();

        var builds = File.ReadLines(journal)
            .Select(line => JsonNode.Parse(line)!)
            .Where(line => (string?)line["event"] == "MachineRead" && (string?)line["on"]!["name"] == "ruby")
            .SelectMany(line => line["reading"]!["Builds"]!.AsArray())
            .Where(build => (string?)build!["Name"] == "big")
            .ToArray();
        Assert.NotEmpty(builds);
        Assert.InRange(builds.Max(build => (long)build!["Memory"]!), 200L << 20, 260L << 20);
        await NobodyReadsAsync(farm.Ruby);
        await NobodyReadsAsync(farm.Coordinator);
    }

    [Fact]
    public async Task Nobody_reads_when_PowerShell_was_killed()
    {
        session.Write("held", "package \"held\" \"${held}echo > $out\" [ ]");
        File.Copy(Path.Combine(session.Folder, "held.nix"), "/home/alice/held.nix", overwrite: true);
        using (var shell = farm.StartPowerShell("alice", "'ready'; Get-NixBuilder kana | Invoke-NixDistributedBuild -Path held.nix"))
        {
            Assert.Equal("ready", await shell.Output.ReadLineAsync(TestContext.Current.CancellationToken));
            await FaultyRun.UntilBuilding(farm.Kana, session.Mark)();
            await Until.TrueAsync(() => ReadsAsync(farm.Kana), "kana is read");
        }

        await NobodyReadsAsync(farm.Kana);
        await FaultyRun.NothingRunsAsync(session.Mark, farm.Kana);
    }

    [Fact]
    public async Task A_builder_that_is_short_of_space_takes_no_build_until_there_is_some()
    {
        await using var garnet = await farm.AddAsync("garnet");
        session.Write("two", "package \"last\" \"echo > $out\" [ (package \"first\" \"${held}echo > $out\" [ ]) ]");
        session.Run("Set-NixBuilderPolicy garnet -MinFreeSpace 700MB -MaxLoad 1000");
        await garnet.ExecAsync("fallocate", "-l", "1500M", "/nix/ballast");
        using var running = session.Start("Get-NixBuilder garnet | Invoke-NixDistributedBuild -Path two.nix -Verbose");

        await SaidAsync(running, "garnet takes no new builds for now: only ");
        await session.ReleaseAsync(garnet);
        await Until.TrueAsync(
            () => running.Streams.Warning.Any(said => said.Message.StartsWith("Nothing can be built for now", StringComparison.Ordinal)),
            "the user is told why nothing starts");
        Assert.DoesNotContain(running.Streams.Verbose, said => said.Message.StartsWith("last →", StringComparison.Ordinal));
        await garnet.ExecAsync("rm", "/nix/ballast");

        var build = FaultyRun.End(running).Succeeded();
        Assert.Equal("garnet", build["last"].Builder);
        Assert.Contains(build.Script.Verbose, said => said.StartsWith("garnet takes builds again.", StringComparison.Ordinal));
    }

    private static Task SaidAsync(RunningScript running, string words) => Until.TrueAsync(
        () => running.Streams.Verbose.Any(said => said.Message.StartsWith(words, StringComparison.Ordinal)), $"it says “{words}”");

    private static Task NobodyReadsAsync(FarmHost host) =>
        Until.TrueAsync(async () => !await ReadsAsync(host), $"nobody reads {host.Name}");

    private static async Task<bool> ReadsAsync(FarmHost host) =>
        await host.ExecAsync("bash", "-c", $"grep -slz '{Reader}' /proc/[0-9]*/cmdline | head -n 1") != "";
}
