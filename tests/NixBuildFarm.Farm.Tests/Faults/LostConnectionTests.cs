using NixBuildFarm.EngineHost;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Faults;

/// <summary>
/// A connection that goes without a word, or a machine that does: noticed, told with all that one wants to know, and made up for.
/// </summary>
public sealed class LostConnectionTests(TestFarm farm) : IAsyncDisposable
{
    private readonly FaultyRun run = new(farm);

    public ValueTask DisposeAsync() => run.DisposeAsync();

    [Fact]
    public async Task While_it_builds()
    {
        // All at once, each in a session and with a builder of its own: silence takes half a minute to be noticed.
        await using var silences = new Silences(farm);
        await silences.BeginAsync("opal", Fault.Blackhole);
        await silences.BeginAsync("jade", Fault.LinkDown);
        await silences.BeginAsync("agate", Fault.Frozen);

        foreach (var (name, build) in await silences.EndAsync())
        {
            AllWereBuilt(build, 8);
            Assert.Contains(
                build.Results, result => result.Attempts.Any(attempt => attempt.StartsWith($"{name}: ", StringComparison.Ordinal)));
            Assert.Contains("It was building leaf", build.Warnings);
        }
        await silences.NothingIsLeftAsync();
    }

    [Fact]
    public async Task While_it_is_idle()
    {
        run.Session.Write("two", """package "second" "cat $inputs > $out" [ (attrs { requiredSystemFeatures = [ "jade" ]; } "first" "sleep 4.1; echo $name > $out" [ ]) ]""");
        await using var jade = await farm.AddAsync("jade", "--features", "jade", "--conf", "system-features = jade");
        var inflicted = (IAsyncDisposable?)null;

        var build = await run.RunAsync(
            "Get-NixBuilder ruby, jade | Invoke-NixDistributedBuild -Path two.nix",
            FaultyRun.UntilBuilding(jade, "4.1"),
            async () => inflicted = await farm.Ruby.InflictAsync(Fault.Blackhole));

        await inflicted!.DisposeAsync();
        AllWereBuilt(build, 2);
    }

    [Fact]
    public async Task While_inputs_are_on_their_way()
    {
        // Opal is so much faster that it gets the build, and with it the input, which is on its way for ten seconds.
        run.Session.Write("big", $$"""
            rec { big = package "big" "head -c 600000000 /dev/zero > $out" [ ]; top = package "top" "for i in $inputs; do head -c 5 $i > $out; done" [ big {{FaultyRun.OnOpal}} ]; }
            """);
        run.Session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path big.nix -Attribute big").Succeeded();
        await using var opal = await run.AddOpalAsync();
        var isGrown = await FaultyRun.UntilGrownAsync(opal, 20);
        var inflicted = (IAsyncDisposable?)null;

        var build = await run.RunAsync(
            "Get-NixBuilder opal, kana | Invoke-NixDistributedBuild -Path big.nix -Attribute top -MaxUpload 60MB",
            async () =>
            {
                await isGrown();
                await OnOpalIsHomeAsync();
            },
            async () => inflicted = await opal.InflictAsync(Fault.Blackhole));

        await inflicted!.DisposeAsync();
        AllWereBuilt(build, 2);
        Assert.Equal("kana", build["top"].Builder);
        Assert.Contains("opal", build.Warnings);
    }

    [Fact]
    public async Task While_an_output_comes_home()
    {
        run.Session.Write("big", """attrs { requiredSystemFeatures = [ "gem" ]; } "big" "head -c 600000000 /dev/zero > $out" [ ]""");
        await using var opal = await farm.AddAsync("opal", "--speed", "50", "--features", "gem", "--conf", "system-features = gem");
        await using var jade = await farm.AddAsync("jade", "--features", "gem", "--conf", "system-features = gem");
        var inflicted = (IAsyncDisposable?)null;

        var build = await run.RunAsync(
            "Get-NixBuilder opal, jade | Invoke-NixDistributedBuild -Path big.nix",
            await FaultyRun.UntilGrownAsync(farm.Coordinator, 20),
            async () => inflicted = await opal.InflictAsync(Fault.Blackhole));

        await inflicted!.DisposeAsync();
        AllWereBuilt(build, 1);
        Assert.Equal("jade", build["big"].Builder);
        Assert.Equal(600_000_000, new FileInfo(build["big"].Output).Length);
    }

    [Fact]
    public async Task The_daemon_of_a_builder_is_killed()
    {
        run.Session.Write(
            "wide", """package "root" "cat $inputs > $out" (many 7 (i: package "leaf${toString i}" "${held}echo $name > $out" [ ]))""");
        var inflicted = (IAsyncDisposable?)null;

        var build = await run.RunAsync(
            "Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path wide.nix",
            run.UntilBuilding(farm.Ruby),
            async () =>
            {
                inflicted = await farm.Ruby.InflictAsync(Fault.DaemonKilled);
                await run.Session.ReleaseAsync(farm.Ruby, farm.Kana);
            });

        await inflicted!.DisposeAsync();
        AllWereBuilt(build, 8);
        Assert.Contains("ruby", build.Warnings);
        await run.NothingButIdleConnectionsIsLeftAsync(farm.Ruby, farm.Kana);
    }

    [Fact]
    public async Task The_daemons_of_a_builder_answer_nothing_any_more_although_its_connections_live()
    {
        run.Session.Write(
            "wide", """package "root" "cat $inputs > $out" (many 4 (i: package "leaf${toString i}" "${held}echo $name > $out" [ ]))""");

        var build = await run.RunAsync(
            "Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path wide.nix",
            run.UntilBuilding(farm.Ruby),
            async () =>
            {
                await FaultyRun.SignalDaemonsAsync(farm.Ruby, "STOP");
                await run.Session.ReleaseAsync(farm.Ruby, farm.Kana);
            });

        await FaultyRun.SignalDaemonsAsync(farm.Ruby, "CONT");
        AllWereBuilt(build, 5);
        Assert.Contains("ruby has left a question unanswered", build.Warnings);
    }

    [Fact]
    public async Task A_builder_that_comes_back_builds_on_in_the_same_run()
    {
        run.Session.Write(
            "wide", """package "root" "cat $inputs > $out" (many 6 (i: package "leaf${toString i}" "${held}echo $name > $out" [ ]))""");

        var build = await run.RunAsync(
            "Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path wide.nix",
            run.UntilBuilding(farm.Ruby),
            async () =>
            {
                await using var killed = await farm.Ruby.InflictAsync(Fault.SshdKilled);
                await run.Session.ReleaseAsync(farm.Ruby);
                await Task.Delay(2500);
            });

        AllWereBuilt(build, 7);
        Assert.Equal(["ruby"], build.BuildersUsed);
        await run.NothingButIdleConnectionsIsLeftAsync(farm.Ruby);
    }

    [Fact]
    public async Task What_its_only_builder_goes_on_with_while_the_network_is_away_is_found_there_and_the_run_goes_on()
    {
        run.Session.Write("two", """package "top" "cat $inputs > $out" [ (package "bottom" "${held}echo $name > $out" [ ]) ]""");
        await using var opal = await farm.AddAsync("opal");
        using var script = run.Session.Start("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path two.nix -Verbose");
        await run.UntilBuilding(opal)();

        await using (await opal.InflictAsync(Fault.LinkDown))
        {
            await Until.TrueAsync(
                () => script.Streams.Warning.Any(said => said.Message.Contains("when opal is back", StringComparison.Ordinal)),
                "the run waits for opal");
            await run.Session.ReleaseAsync(opal);
            // Not only until the build's process has ended: a daemon that loses its client before it has registered the output leaves it.
            await Until.TrueAsync(
                async () => (await opal.ExecAsync("nix-store", "--dump-db")).Split('\n').Any(IsBottom), "opal has registered the output");
        }
        static bool IsBottom(string line) => line.EndsWith("-bottom", StringComparison.Ordinal);

        var build = FaultyRun.End(script);
        AllWereBuilt(build, 2);
        Assert.Contains(
            build.Script.Verbose, said => said.Contains("bottom is not built again: opal has built it", StringComparison.Ordinal));
    }

    [Fact]
    public async Task When_every_builder_is_lost_for_good_each_result_has_the_cause()
    {
        run.Session.Write("two", """package "top" "cat $inputs > $out" [ (package "bottom" "${held}echo > $out" [ ]) ]""");
        await using var opal = await farm.AddAsync("opal");

        var build = await run.RunAsync(
            "Get-NixBuilder opal | Invoke-NixDistributedBuild -Path two.nix -MaxAbsence 0:00:10",
            run.UntilBuilding(opal),
            opal.RemoveAsync);

        Assert.Equal(("Failed", "DependencyFailed"), (build["bottom"].Status, build["top"].Status));
        Assert.Contains("opal", build["bottom"].Error);
        Assert.Contains("No builder is left", build["bottom"].Error);
    }

    [Fact]
    public async Task A_builder_whose_host_key_changes_between_two_connections_of_a_run_is_not_used_any_more()
    {
        // What is large comes by a connection of its own.
        run.Session.Write("chain", """package "third" "cat $inputs > $out" [ (package "second" "cat $inputs > $out" [ (attrs { requiredSystemFeatures = [ "gem" ]; } "first" "${held}head -c 4000000 /dev/zero > $out" [ ]) ]) ]""");
        await using var opal = await farm.AddAsync(
            "opal", "--slots", "2", "--sshd", "MaxSessions 1", "--features", "gem", "--conf", "system-features = gem");
        var inflicted = (IAsyncDisposable?)null;

        var build = await run.RunAsync(
            "Get-NixBuilder opal, kana | Invoke-NixDistributedBuild -Path chain.nix",
            run.UntilBuilding(opal),
            async () =>
            {
                inflicted = await opal.InflictAsync(Fault.HostKeyChanged);
                await run.Session.ReleaseAsync(opal);
            });

        await inflicted!.DisposeAsync();
        Assert.Contains("host key", build.Warnings);
        Assert.DoesNotContain(build.Results, result => result.Status is "Cancelled");
    }

    [Theory]
    [InlineData("MaxSessions 1")]
    [InlineData("MaxStartups 1")]
    public async Task A_server_that_allows_few_connections_slows_a_run_down_and_no_more(string limit)
    {
        run.Session.Write(
            "wide", """package "root" "cat $inputs > $out" (many 8 (i: package "leaf${toString i}" "sleep 0.3; echo $name > $out" [ ]))""");
        await using var opal = await farm.AddAsync("opal", "--slots", "4", "--sshd", limit);

        var build = run.Session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path wide.nix").Succeeded();

        Assert.Equal(9, build.Results.Count);
        Assert.Equal(["opal"], build.BuildersUsed);
    }

    /// <summary>Waits until what opal alone can build is at home, where others find it.</summary>
    private Task OnOpalIsHomeAsync() => Until.TrueAsync(
        async () => await farm.Coordinator.ExecAsync(
            "bash", "-c", "nix-store --check-validity /nix/store/*-on-opal 2> /dev/null && echo it is || true") == "it is\n",
        "the output of on-opal has come home");

    private static void AllWereBuilt(BuildOutput build, int count)
    {
        Assert.All(build.Results, result => Assert.True(result.Success, result + "\n" + string.Join('\n', result.Attempts)));
        Assert.Equal(count, build.Results.Count);
        Assert.Equal("", build.Errors);
    }

    /// <summary>Runs that go on at the same time, while the builder of each falls silent in another way.</summary>
    private sealed class Silences(TestFarm farm) : IAsyncDisposable
    {
        private readonly List<(FaultyRun Run, AddedHost Host, RunningScript Script, IAsyncDisposable Fault)> begun = [];

        public async Task BeginAsync(string name, Fault fault)
        {
            var run = new FaultyRun(farm);
            var host = await farm.AddAsync(name, "--slots", "2");
            run.Session.Write(
                "wide",
                """package "root" "cat $inputs > $out" (many 7 (i: package "leaf${toString i}" "${held}echo $name > $out" [ ]))""");
            var script = run.Session.Start($"Get-NixBuilder {name}, kana | Invoke-NixDistributedBuild -Path wide.nix -CopyBack Requested");
            await run.UntilBuilding(host)();
            begun.Add((run, host, script, await host.InflictAsync(fault)));
            await run.Session.ReleaseAsync(farm.Kana);
        }

        public async Task<IReadOnlyList<(string Builder, BuildOutput Build)>> EndAsync()
        {
            var builds = new List<(string, BuildOutput)>();
            foreach (var (run, host, script, fault) in begun)
            {
                builds.Add((host.Name, FaultyRun.End(script)));
                await fault.DisposeAsync();
                await run.Session.ReleaseAsync(host);
            }
            return builds;
        }

        public async Task NothingIsLeftAsync()
        {
            foreach (var (run, _, _, _) in begun) run.Session.LogOut();
            foreach (var (run, host, _, _) in begun)
            {
                await run.NothingIsLeftAsync(host, farm.Kana);
                run.Session.LogOut();
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var (run, host, script, _) in begun)
            {
                script.Dispose();
                await run.DisposeAsync();
                await host.DisposeAsync();
            }
        }
    }
}
