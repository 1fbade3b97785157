using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Faults;

/// <summary>Garbage collectors run at any moment of a run, and take nothing that it needs.</summary>
public sealed class GarbageCollectorTests(TestFarm farm) : IAsyncDisposable
{
    private readonly FaultyRun run = new(farm);

    public ValueTask DisposeAsync()
    {
        run.Session.Run("Get-NixBuildFarm | Stop-NixBuildFarm");
        return run.DisposeAsync();
    }

    [Fact]
    public async Task One_that_runs_on_the_builder_all_the_time_takes_nothing_that_is_needed()
    {
        run.Session.Write("chain", """
            let chain = n: package "link${toString n}" "sleep 0.2; cat $inputs > $out; echo $name >> $out" (if n == 0 then [ ] else [ (chain (n - 1)) ]); in chain 8
            """);
        await using var opal = await farm.AddAsync("opal", "--slots", "2");
        await using var collectors = await Collectors.StartAsync(opal);

        var build = run.Session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path chain.nix -CopyBack Requested").Succeeded();

        await collectors.HaveCollectedAsync();
        Assert.Equal(9, build.Results.Count);
        Assert.Equal(9, (await File.ReadAllLinesAsync(build["link8"].Output)).Length);
    }

    [Fact]
    public async Task Those_that_run_on_all_machines_all_the_time_take_nothing_that_a_run_needs()
    {
        run.Session.Write("layers", """
            let
              layer = n: if n == 0 then [ ] else many 4 (i:
                package "layer${toString n}-${toString i}" "sleep 0.3; cat $inputs > $out; echo $name >> $out" (layer (n - 1)));
            in package "top" "cat $inputs > $out" (layer 3)
            """);
        await using var collectors = await Collectors.StartAsync([farm.Coordinator, .. farm.Builders]);

        var build = run.Session
            .Run("Get-NixBuilder local, aquamarine, ruby, kana | Invoke-NixDistributedBuild -Path layers.nix -OutLink top")
            .Succeeded();

        await collectors.HaveCollectedAsync();
        // Each layer names its four packages, and holds what each of the layer before holds.
        Assert.Equal(4 * (1 + 4 * (1 + 4)), (await File.ReadAllLinesAsync(Path.Combine(run.Session.Folder, "top"))).Length);
        Assert.True(build.BuildersUsed.Count() > 1);
    }

    [Theory]
    [InlineData("Get-NixBuilder kana | Invoke-NixDistributedBuild -WhatIf", 1)]
    [InlineData("Test-NixBuilderPolicy -Builder ruby, kana", 2)]
    public async Task Those_that_run_all_the_time_take_no_derivation_between_its_evaluation_and_its_use(string command, int found)
    {
        await using var collectors = await Collectors.StartAsync(farm.Coordinator);

        for (var count = 0; count < 8; count++)
        {
            run.Session.Write("fresh", """package "fresh" "echo > $out" [ ]""");
            var output = run.Session.Run($"{command} -Path fresh.nix");
            Assert.Equal("", output.Errors);
            Assert.Equal(found, output.Script.Output.Count);
        }

        await collectors.HaveCollectedAsync();
    }

    [Fact]
    public async Task Those_that_run_all_the_time_take_nothing_of_what_a_farm_that_serves_builds()
    {
        run.Session.Run("Start-NixBuildFarm -Builder kana");
        await using var collectors = await Collectors.StartAsync([farm.Coordinator, farm.Kana]);

        for (var count = 0; count < 4; count++)
        {
            run.Session.Write("fresh", """package "fresh" "echo fresh > $out" [ (package "below" "echo > $out" [ ]) ]""");
            run.Session.Run("Invoke-NixDistributedBuild -Path fresh.nix -OutLink fresh").Succeeded();
            Assert.Equal("fresh\n", await File.ReadAllTextAsync(Path.Combine(run.Session.Folder, "fresh")));
        }

        await collectors.HaveCollectedAsync();
    }

    [Fact]
    public async Task One_that_looked_at_the_links_before_a_run_made_its_own_takes_nothing_that_they_keep()
    {
        run.Session.Write("pair", """[ (package "quick" "echo quick > $out" [ ]) (package "bad" (held + "exit 1") [ ]) ]""");
        using var running = run.Session.Start("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path pair.nix -OutLink result");
        // It is protected before it is there, and linked when all has ended: what fails asks nothing of a store that collects.
        await Until.TrueAsync(() => Directory.GetFiles("/nix/store", "*-quick").Length > 0, "the first output is at home");

        await using var collection = await HalfCollection.StartAsync(farm.Coordinator);
        await run.Session.ReleaseAsync(farm.Kana);
        await Until.TrueAsync(() => Path.Exists(Path.Combine(run.Session.Folder, "result")), "the link is there");
        // A run that waits for the collection does not end before it.
        await Task.WhenAny(running.Ended, Task.Delay(TimeSpan.FromSeconds(2), TestContext.Current.CancellationToken));
        await collection.EndAsync();

        var build = FaultyRun.End(running);
        Assert.Equal(["Built", "Failed"], build.Results.OrderBy(result => result.Status).Select(result => result.Status));
        Assert.Equal("quick\n", await File.ReadAllTextAsync(Path.Combine(run.Session.Folder, "result")));
    }

    /// <summary>A collection that is stopped when it has looked at the links that keep paths, and not yet at the temp roots.</summary>
    private sealed class HalfCollection(FarmHost host, string process) : IAsyncDisposable
    {
        // It looks at the profiles in between, and takes a while with so many.
        private const string Profiles = "/nix/var/nix/profiles/many";
        private const int Count = 30_000;

        public static async Task<HalfCollection> StartAsync(FarmHost host) => new(host, (await host.ExecAsync("bash", "-euc", $$"""
            mkdir {{Profiles}}
            seq --format='/none/%.0f' {{Count}} | xargs ln -s -t {{Profiles}}
            nix-collect-garbage > /tmp/half-collected 2>&1 & collection=$!
            looks() {
              for file in /proc/$collection/fd/*; do [ "$file" -ef {{Profiles}} ] && return; done
              return 1
            }
            until looks; do kill -0 $collection; done
            kill -STOP $collection
            looks
            echo $collection
            """)).Trim());

        /// <summary>Has it go on, and waits for its end.</summary>
        public async Task EndAsync()
        {
            await host.ExecAsync("kill", "-CONT", process);
            await Until.TrueAsync(
                async () => (await host.ExecAsync("cat", "/tmp/half-collected")).Contains("store paths deleted", StringComparison.Ordinal),
                "the collection has ended");
        }

        public async ValueTask DisposeAsync() =>
            await host.ExecAsync("bash", "-c", $"kill -CONT {process} 2> /dev/null; rm -r {Profiles}");
    }

    /// <summary>Collectors that run again and again on some hosts, until this is disposed of.</summary>
    private sealed class Collectors(IReadOnlyList<FarmHost> hosts) : IAsyncDisposable
    {
        private readonly string done = $"/tmp/collected-{Guid.NewGuid():N}";

        private string Log => $"{done}.log";

        public static async Task<Collectors> StartAsync(params FarmHost[] hosts)
        {
            var collectors = new Collectors(hosts);
            foreach (var host in hosts)
            {
                await host.ExecAsync(
                    "bash", "-c", $"(while [ ! -e {collectors.done} ]; do nix-collect-garbage; sleep 0.05; done) > {collectors.Log} 2>&1 "
                        + "< /dev/null & disown");
            }
            return collectors;
        }

        /// <summary>Sees that each of them has collected, so that the test has met them.</summary>
        public async Task HaveCollectedAsync()
        {
            foreach (var host in hosts)
            {
                await Until.TrueAsync(
                    async () => (await host.ExecAsync("cat", Log)).Contains("store paths deleted", StringComparison.Ordinal),
                    $"{host} has collected");
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var host in hosts) await host.ExecAsync("touch", done);
        }
    }
}
