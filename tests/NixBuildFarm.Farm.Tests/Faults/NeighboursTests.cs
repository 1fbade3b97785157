using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Faults;

/// <summary>Several coordinators, each a process, on the same builders, whose slots are locks there.</summary>
public sealed class NeighboursTests(TestFarm farm) : IAsyncDisposable
{
    private const string Folder = "/tmp/nixbuildfarm-slots", Log = "/tmp/neighbours-log", AllAreHere = "/tmp/neighbours-go";
    private readonly FaultyRun run = new(farm);
    private readonly List<Command> shells = [];

    public async ValueTask DisposeAsync()
    {
        // Those that a failed test has not waited for: their slots are not to be held in the next one.
        foreach (var shell in shells) shell.Dispose();
        await run.DisposeAsync();
        await farm.Ruby.ExecAsync("bash", "-c", $"umount {Folder} 2>/dev/null; rm -rf {Folder} {Log} {AllAreHere}");
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Coordinators_together_never_build_more_on_a_builder_than_its_slots_and_take_turns(int coordinators)
    {
        const int Builds = 12;
        await farm.Ruby.ExecAsync("bash", "-c", $": > {Log}; chmod 666 {Log}");
        for (var number = 0; number < coordinators; number++)
        {
            Write($"run{number}", $$"""package "root" "echo > $out" (many {{Builds}} (i: package "leaf${toString i}" "echo +{{number}} >> {{Log}}; until [ -e {{AllAreHere}} ]; do sleep 0.1; done; sleep 0.3; echo -{{number}} >> {{Log}}; echo > $out" [ ]))""");
            shells.Add(farm.StartPowerShell(
                "alice",
                $"$all = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path run{number}.nix -Verbose 4>&1; "
                    + "$all -match 'take no slots'; ($all | Where-Object Name -eq root).Status"));
        }
        // A turn can be taken only by who is there: none is done before the last has come.
        await UntilAskedAsync(coordinators);
        await farm.Ruby.ExecAsync("touch", AllAreHere);
        foreach (var shell in shells)
        {
            var result = await shell.WaitAsync(TestContext.Current.CancellationToken);
            Assert.True(result.Output.Trim() == "Built", result.ToString());
        }

        var events = (await farm.Ruby.ExecAsync("cat", Log)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var (going, most) = (0, 0);
        foreach (var line in events) most = Math.Max(most, going += line[0] == '+' ? 1 : -1);
        Assert.Equal(2 * coordinators * Builds, events.Length);
        Assert.Equal(2, most);
        // Each is served while all have work: the first to be done leaves the others little.
        var ends = Enumerable.Range(0, coordinators).Select(number => Array.LastIndexOf(events, $"-{number}")).ToArray();
        Assert.All(ends, end => Assert.InRange(end, events.Length / 2, events.Length));
    }

    [Fact]
    public async Task The_slots_of_a_coordinator_that_is_killed_are_free_at_once()
    {
        Write("long", """many 2 (i: package "long${toString i}" "sleep 3000.3; echo > $out" [ ])""");
        run.Session.Write("short", """package "short" "echo > $out" [ ]""");
        using (farm.StartPowerShell("alice", "Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path long.nix"))
        {
            await UntilHeldAsync(2);
            using var waiting = run.Session.Start("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path short.nix");
            await UntilWaitingAsync();
            Assert.False(waiting.Ended.IsCompleted);
            // The end of the block kills it.
        }
        await FaultyRun.NothingRunsAsync("3000.3", farm.Ruby);
        run.Session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path short.nix").Succeeded();
        Assert.Equal("slot-1\nslot-2\nturn\n", await AfterLogOutAsync());
    }

    [Fact]
    public async Task A_coordinator_that_is_stopped_keeps_its_slots_and_others_say_whose_they_are()
    {
        Write("stopped", """many 2 (i: package "stopped${toString i}" "until [ -e /tmp/go-on ]; do sleep 0.33; done; echo > $out" [ ])""");
        run.Session.Write("short", """package "short" "echo > $out" [ ]""");
        using var shell = farm.StartPowerShell(
            "alice", "$PID; (Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path stopped.nix).Status");
        var id = await shell.Output.ReadLineAsync(TestContext.Current.CancellationToken);
        await UntilHeldAsync(2);
        await farm.Coordinator.ExecAsync("kill", "-STOP", id!);

        var live = run.Session.Run("(Get-NixBuilder ruby -Live).SlotHolders | ForEach-Object { \"$($_.Slot) $($_.Host)\" }");
        Assert.Equal(["1 coordinator", "2 coordinator"], live.Script.Output.Select(line => line.ToString()));
        var build = run.Session.Run("Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path short.nix").Succeeded();
        await farm.Coordinator.ExecAsync("kill", "-CONT", id!);
        await farm.Ruby.ExecAsync("touch", "/tmp/go-on");
        var ended = await shell.WaitAsync(TestContext.Current.CancellationToken);

        Assert.Equal("kana", build["short"].Builder);
        Assert.Equal("Built\nBuilt", ended.Output.Trim());
        await farm.Ruby.ExecAsync("rm", "/tmp/go-on");
    }

    [Theory]
    [InlineData($"mkdir {Folder}; chown guest {Folder}")]
    [InlineData($"mkdir {Folder}; mount -t tmpfs -o mode=1777,nr_inodes=1 none {Folder}")]
    [InlineData($"mkdir {Folder}; mount -t tmpfs -o mode=1777,ro none {Folder}")]
    [InlineData($"ln -s /root {Folder}")]
    [InlineData($"mkdir -m 1777 {Folder}; ln -s /root/.profile {Folder}/slot-1")]
    [InlineData($"mkdir -m 1777 {Folder}; mkfifo -m 666 {Folder}/turn")]
    public async Task Where_the_folder_of_locks_cannot_be_used_builds_go_on_as_ever_and_that_is_said(string trouble)
    {
        run.Session.LogOut();
        await farm.Ruby.ExecAsync("bash", "-c", $"rm -rf {Folder}; {trouble}");
        run.Session.Write("plain", """package "plain" "echo > $out" [ ]""");

        var build = run.Session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path plain.nix -Verbose").Succeeded();

        Assert.Contains(build.Script.Verbose, line => line.Contains("take no slots", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_two_coordinators_want_at_once_is_built_once_where_they_meet()
    {
        await farm.Ruby.ExecAsync("bash", "-c", $": > {Log}; chmod 666 {Log}");
        Write("same", $$"""package "same" "echo + >> {{Log}}; sleep 3; echo > $out" [ ]""");
        using var shell = farm.StartPowerShell("alice", "(Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path same.nix).Status");
        run.Session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path same.nix").Succeeded();

        var other = await shell.WaitAsync(TestContext.Current.CancellationToken);
        Assert.True(other.Succeeded, other.ToString());
        Assert.Equal("+\n", await farm.Ruby.ExecAsync("cat", Log));
    }

    /// <summary>For alice too.</summary>
    private void Write(string name, string expression)
    {
        run.Session.Write(name, expression);
        File.Copy(Path.Combine(run.Session.Folder, name + ".nix"), $"/home/alice/{name}.nix", overwrite: true);
    }

    private Task UntilHeldAsync(int slots) => Until.TrueAsync(
        async () => (await farm.Ruby.ExecAsync("bash", "-c", $"ls {Folder} | grep -c ^held || true")).Trim() == $"{slots}",
        $"{slots} slots of ruby are held");

    /// <summary>The script of each coordinator that has asked for a slot has a file.</summary>
    private Task UntilAskedAsync(int coordinators) => Until.TrueAsync(
        async () =>
        {
            // Who has ended never asks: what it printed says why.
            foreach (var shell in coordinators > 0 ? shells.Where(shell => shell.HasEnded) : [])
            {
                Assert.Fail((await shell.WaitAsync(TestContext.Current.CancellationToken)).ToString());
            }
            return (await farm.Ruby.ExecAsync("bash", "-c", $"ls {Folder} | grep -c ^life || true")).Trim() == $"{coordinators}";
        },
        coordinators == 0 ? "no script is left on ruby" : $"{coordinators} coordinators have asked for slots of ruby");

    /// <summary>One process waits for each slot.</summary>
    private Task UntilWaitingAsync() => Until.TrueAsync(
        async () => (await farm.Ruby.ExecAsync("bash", "-c", "grep -slzx 9 /proc/[0-9]*/cmdline | wc -l")).Trim() != "0",
        "somebody waits for a slot of ruby");

    private async Task<string> AfterLogOutAsync()
    {
        run.Session.LogOut();
        await UntilHeldAsync(0);
        await UntilAskedAsync(0);
        return await farm.Ruby.ExecAsync("ls", Folder);
    }
}
