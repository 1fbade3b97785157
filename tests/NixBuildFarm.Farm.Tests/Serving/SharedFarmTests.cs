using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Faults;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Serving;

/// <summary>Several Nix commands, and several users, at a time on one farm.</summary>
public sealed class SharedFarmTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose()
    {
        session.Run("Get-NixBuildFarm | Stop-NixBuildFarm");
        session.Dispose();
    }

    [Fact]
    public async Task Five_clients_who_want_overlapping_graphs_have_everything_built_once_and_no_builder_over_its_jobs()
    {
        session.Write("five", """
            { n }:
            let
              leaf = i: package "leaf${toString i}" (sleep 0.4) [ ];
              shared = package "shared" (sleep 0.4) [ (leaf 5) ];
            in package "top${n}" (sleep 0.2) [ shared (leaf 0) (leaf 1) (leaf 2) (package "own${n}" (sleep 0.2) [ shared ]) ]
            """);
        var address = Serve("ruby, kana");

        var said = await farm.RunAsAsync(
            "root",
            "sh",
            "-c",
            $"cd {session.Folder}; export NIX_REMOTE={address}; for n in 1 2 3 4 5; do nix-build five.nix --argstr n $n --no-out-link & "
                + "pids=\"$pids $!\"; done; for p in $pids; do wait $p || exit 1; done");

        Assert.True(said.Succeeded, said.ToString());
        Assert.Equal(5, said.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        var results = session.Run("Get-NixBuild -Last 5 -Result").Succeeded().Results;
        var all = results.Where(result => result.Status == "Built").ToLookup(result => result.Derivation);
        // Four leaves and what all need; a top and what it alone needs for each.
        Assert.Equal(5 + 5 + 5, all.Count);
        Assert.All(all, told => Assert.Single(told.DistinctBy(result => result.LogPath)));
        BuildLine[] built = [.. all.Select(told => told.First())];
        Assert.Equal(["kana", "ruby"], built.Select(result => result.Builder).Distinct().Order());
        foreach (var result in built)
        {
            Assert.InRange(built.Count(other => other.Builder == result.Builder && RunsAt(other, result.Started!.Value)), 1, 2);
        }
    }

    [Fact]
    public async Task A_user_with_little_to_build_does_not_wait_for_one_with_much()
    {
        session.Write("much", """package "much" "exit 1" (many 300 (i: package "alice${toString i}" "sleep 2.7; echo > $out" [ ]))""");
        session.Write("little", """package "little" (sleep 0.1) [ (package "input" (sleep 0.1) [ ]) ]""");
        var address = Serve("ruby");
        using var alice = Begin("alice", address, "much");
        await FaultyRun.UntilBuilding(farm.Ruby, "2.7")();

        var bob = await farm.RunAsAsync(
            "root", "sh", "-c", $"cd {session.Folder}; NIXBUILDFARM_USER=bob NIX_REMOTE={address} nix-build little.nix --no-out-link");

        Assert.True(bob.Succeeded, bob.ToString());
        Assert.Single(session.Run("Get-NixBuild -State Running").Script.Output);
        await alice.InterruptAsync();
    }

    [Fact]
    public async Task What_is_urgent_goes_before_what_the_same_user_wants_otherwise()
    {
        session.Write("much", """package "much" "exit 1" (many 300 (i: package "plain${toString i}" "sleep 2.8; echo > $out" [ ]))""");
        session.Write("urgent", """package "urgent" (sleep 0.1) [ (package "input" (sleep 0.1) [ ]) ]""");
        session.Write("ifd", """package (import (package "source" "echo '\"imported\"' > $out" [ ])) "exit 1" [ ]""");
        using var much = Begin("alice", Serve("ruby"), "much");
        await FaultyRun.UntilBuilding(farm.Ruby, "2.8")();

        var run = session.Run("""
            $env:NIXBUILDFARM_USER = 'alice'
            Use-NixBuildFarm -Farm default -Priority High { sh -c 'nix-build urgent.nix --no-out-link 2> said'; "exit $LASTEXITCODE" }
            Use-NixBuildFarm -Farm default { sh -c 'nix-instantiate ifd.nix 2> said'; "exit $LASTEXITCODE" }
            $env:NIXBUILDFARM_USER = $null
            """);

        Assert.Equal("", run.Errors);
        string[] said = [.. run.Script.Output.Select(line => line.ToString())];
        Assert.Equal(["exit 0", "exit 0"], said.Where(line => line.StartsWith("exit", StringComparison.Ordinal)));
        Assert.Single(session.Run("Get-NixBuild -State Running").Script.Output);
        await much.InterruptAsync();
    }

    private static bool RunsAt(BuildLine build, DateTimeOffset at) => build.Started <= at && at < build.Started + build.Duration;

    private string Serve(string builders) =>
        session.Run($"(Start-NixBuildFarm -Builder {builders}).Address").Script.Output[0].ToString();

    private Command Begin(string user, string address, string file) => farm.StartAs(
        "root", "sh", "-c", $"cd {session.Folder}; NIXBUILDFARM_USER={user} NIX_REMOTE={address} exec nix-build {file}.nix --no-out-link");
}
