using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Faults;

/// <summary>
/// A run that is stopped, killed, or loses this machine's own store: nothing of it stays, and the next one goes on from what was done.
/// </summary>
public sealed class StoppedRunTests(TestFarm farm) : IAsyncDisposable
{
    private readonly FaultyRun run = new(farm);

    public ValueTask DisposeAsync() => run.DisposeAsync();

    [Fact]
    public async Task Ctrl_C_while_a_builder_is_being_connected()
    {
        run.Session.Write("one", """package "one" "echo > $out" [ ]""");
        await using var silent = await farm.Ruby.InflictAsync(Fault.Blackhole);

        await StopAsync(
            "Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path one.nix",
            () => Until.TrueAsync(ConnectsAsync, "the connection is being made"));

        await silent.DisposeAsync();
        await run.NothingIsLeftAsync(farm.Ruby);

        async Task<bool> ConnectsAsync() =>
            await farm.Coordinator.ExecAsync("ss", "--no-header", "--tcp", "--numeric", "state", "syn-sent") != "";
    }

    [Fact]
    public async Task Ctrl_C_while_an_expression_is_evaluated()
    {
        run.Session.Write(
            "endless",
            "let loop = n: if n == 0 then 0 else loop (n - 1) + loop (n - 1); in builtins.seq (loop 60) (package \"one\" (sleep 0) [ ])");

        await StopAsync(
            "Get-NixBuilder kana | Invoke-NixDistributedBuild -Path endless.nix",
            () => Until.TrueAsync(EvaluatesAsync, "nix-instantiate runs"));

        await Until.TrueAsync(async () => !await EvaluatesAsync(), "nix-instantiate ends");

        static async Task<bool> EvaluatesAsync() => (await Command.RunAsync("pgrep", "nix-instantiate")).Succeeded;
    }

    [Fact]
    public async Task Ctrl_C_while_inputs_are_on_their_way()
    {
        run.Session.Write("big", """rec { big = package "big" "head -c 600000000 /dev/zero > $out" [ ]; top = package "top" "head -c 5 $inputs > $out" [ big ]; }""");
        run.Session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path big.nix -Attribute big").Succeeded();

        await StopAsync(
            "Get-NixBuilder kana | Invoke-NixDistributedBuild -Path big.nix -Attribute top",
            await FaultyRun.UntilGrownAsync(farm.Kana, 20));

        await run.NothingIsLeftAsync(farm.Kana);
        run.Session.Run("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path big.nix -Attribute top").Succeeded();
    }

    [Fact]
    public async Task Ctrl_C_while_an_output_comes_home()
    {
        run.Session.Write("big", """package "big" "head -c 600000000 /dev/zero > $out" [ ]""");

        await StopAsync(
            "Get-NixBuilder kana | Invoke-NixDistributedBuild -Path big.nix", await FaultyRun.UntilGrownAsync(farm.Coordinator, 20));

        await run.NothingIsLeftAsync(farm.Kana);
        var again = run.Session.Run("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path big.nix").Succeeded();
        Assert.Equal("AlreadyValid", again["big"].Status);
        await farm.Coordinator.ExecAsync("nix-store", "--verify-path", again["big"].Output);
    }

    [Fact]
    public async Task Ctrl_C_while_the_daemons_answer_nothing_any_more()
    {
        run.Session.Write("wide", """many 4 (i: package "leaf${toString i}" "${held}echo $name > $out" [ ])""");

        await StopAsync("Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path wide.nix", async () =>
        {
            await run.UntilBuilding(farm.Ruby)();
            foreach (var host in (FarmHost[])[farm.Ruby, farm.Kana]) await FaultyRun.SignalDaemonsAsync(host, "STOP");
        });

        foreach (var host in (FarmHost[])[farm.Ruby, farm.Kana]) await FaultyRun.SignalDaemonsAsync(host, "CONT");
        await run.NothingIsLeftAsync(farm.Ruby, farm.Kana);
    }

    [Fact]
    public async Task A_run_that_is_killed_leaves_a_sound_store_and_the_next_goes_on_from_there()
    {
        run.Session.Write(
            "two", """package "second" "${held}cat $inputs > $out" [ (package "first" "head -c 50000000 /dev/zero > $out" [ ]) ]""");
        File.Copy(Path.Combine(run.Session.Folder, "two.nix"), "/home/alice/two.nix", overwrite: true);
        using (var shell = farm.StartPowerShell("alice", "Get-NixBuilder kana | Invoke-NixDistributedBuild -Path two.nix"))
        {
            await run.UntilBuilding(farm.Kana)();
            // Its end closes the connections, as kill -9 does.
        }

        await run.NothingIsLeftAsync(farm.Kana);
        await run.Session.ReleaseAsync(farm.Kana);
        await farm.Coordinator.ExecAsync("nix-store", "--verify", "--check-contents");
        var next = await farm.PowerShellAsync(
            "alice", "Get-NixBuilder kana | Invoke-NixDistributedBuild -Path two.nix | ForEach-Object { \"$($_.Name) $($_.Status)\" }");
        Assert.True(next.Succeeded, next.ToString());
        Assert.Contains("second Built", next.Output);
        Assert.DoesNotContain("first Built", next.Output);
    }

    [Fact]
    public async Task Without_this_machines_own_daemon_the_run_ends_and_says_so()
    {
        run.Session.Write("two", """package "top" "cat $inputs > $out" [ (package "bottom" "${held}echo > $out" [ ]) ]""");
        File.Copy(Path.Combine(run.Session.Folder, "two.nix"), "/home/alice/two.nix", overwrite: true);
        using var shell = farm.StartPowerShell(
            "alice", "Get-NixBuilder kana | Invoke-NixDistributedBuild -Path two.nix | ForEach-Object { \"$($_.Name) $($_.Status)\" }");
        await run.UntilBuilding(farm.Kana)();

        CommandResult ended;
        await using (
            await farm.Coordinator.InflictAsync(Fault.DaemonKilled)) ended = await shell.WaitAsync(TestContext.Current.CancellationToken);

        Assert.Contains("The local store cannot be used any more", ended.Error);
        Assert.DoesNotContain("top Built", ended.Output);
        await run.NothingIsLeftAsync(farm.Kana);
        await run.Session.ReleaseAsync(farm.Kana);
        Assert.True((await farm.PowerShellAsync("alice", "Get-NixBuilder kana | Invoke-NixDistributedBuild -Path two.nix")).Succeeded);
    }

    [Fact]
    public async Task A_local_store_that_is_full_is_told_with_what_could_not_come_home()
    {
        run.Session.Write("some", """[ (package "small" "echo > $out" [ ]) (package "big" "head -c 30000000 /dev/zero > $out" [ ]) ]""");
        BuildOutput build;
        await using (
            await farm.Coordinator.InflictAsync(
                Fault.StoreFull)) build = run.Session.Run("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path some.nix -KeepGoing");

        Assert.Equal("Failed", build["big"].Status);
        Assert.Contains("could not be brought home", build.Errors);
        Assert.Contains("No space left on device", build.Errors);
        var next = run.Session.Run("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path some.nix").Succeeded();
        Assert.Equal("AlreadyValid", next["big"].Status);
    }

    [Fact]
    public async Task Two_runs_of_the_same_from_two_processes_both_succeed()
    {
        run.Session.Write(
            "wide", """package "root" "cat $inputs > $out" (many 6 (i: package "leaf${toString i}" "sleep 0.5; echo $name > $out" [ ]))""");
        File.Copy(Path.Combine(run.Session.Folder, "wide.nix"), "/home/alice/wide.nix", overwrite: true);
        using var other = farm.StartPowerShell(
            "alice", "Get-NixBuilder | Invoke-NixDistributedBuild -Path wide.nix | ForEach-Object Status");

        run.Session.Run("Get-NixBuilder | Invoke-NixDistributedBuild -Path wide.nix").Succeeded();

        var theirs = await other.WaitAsync(TestContext.Current.CancellationToken);
        Assert.True(theirs.Succeeded, theirs.ToString());
        Assert.Equal("", theirs.Error);
    }

    [Fact]
    public void Ten_runs_at_once_in_one_process_all_succeed()
    {
        run.Session.Write("many", """many 10 (n: package "root${toString n}" "cat $inputs > $out" (many 4 (i: package "leaf${toString n}-${toString i}" "sleep 0.1; echo $name > $out" [ ])))""");

        var build = run.Session.Run("""
            $module = (Get-Module NixBuildFarm).Path
            $file = "$PWD/many.nix"
            0..9 | ForEach-Object -Parallel {
                Import-Module $using:module
                Invoke-NixDistributedBuild -DerivationPath @(nix-instantiate $using:file 2> $null)[$_]
            } -ThrottleLimit 10
            """).Succeeded();

        Assert.Equal(50, build.Results.Select(result => result.Derivation).Distinct().Count());
    }

    private async Task StopAsync(string script, Func<Task> soFar)
    {
        using var running = run.Session.Start(script);
        await soFar();
        await Task.Run(running.Stop, TestContext.Current.CancellationToken).WaitAsync(Until.Limit, TestContext.Current.CancellationToken);
        Assert.True(running.Wait(Until.Limit).Stopped);
    }
}
