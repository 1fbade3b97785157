using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Faults;

/// <summary>Machines that answer and cannot build: their jobs go elsewhere, and they do not attract more.</summary>
public sealed class SickBuilderTests(TestFarm farm) : IAsyncDisposable
{
    private readonly FaultyRun run = new(farm);

    public ValueTask DisposeAsync() => run.DisposeAsync();

    [Fact]
    public async Task A_store_that_is_full_takes_no_inputs()
    {
        await using var opal = await run.AddOpalAsync("--size", "64m");
        await TellNoSpaceAsync(opal);

        var build = BuildWithLargeInput();

        Assert.Equal("kana", build["top"].Builder);
        Assert.Contains("No space left on device", Assert.Single(build["top"].Attempts));
        await run.NothingButIdleConnectionsIsLeftAsync(opal, farm.Kana);
    }

    [Fact]
    public async Task A_store_that_tells_how_full_it_is_gets_no_build_whose_inputs_it_cannot_hold()
    {
        await using var opal = await run.AddOpalAsync("--size", "64m");

        var build = BuildWithLargeInput();

        Assert.Equal("kana", build["top"].Builder);
        Assert.Empty(build["top"].Attempts);
    }

    [Fact]
    [EveryNix("Builders that refuse, fail or are lost")]
    public async Task A_store_that_fills_up_in_a_build_costs_that_build_a_second_try_elsewhere()
    {
        run.Session.Write("big", $$"""package "big" "head -c 100000000 /dev/zero > $out" [ {{FaultyRun.OnOpal}} ]""");
        await using var opal = await run.AddOpalAsync("--size", "64m");

        var build = run.Session.Run("Get-NixBuilder opal, kana | Invoke-NixDistributedBuild -Path big.nix").Succeeded();

        Assert.Equal("kana", build["big"].Builder);
        Assert.StartsWith("opal: ", Assert.Single(build["big"].Attempts));
        await run.NothingButIdleConnectionsIsLeftAsync(opal, farm.Kana);
    }

    [Fact]
    public async Task A_builder_that_fails_fast_does_not_attract_job_after_job()
    {
        run.Session.Write(
            "wide",
            """package "root" "cat $inputs > $out" (many 30 (i: package "leaf${toString i}" "head -c 2000000 /dev/zero > $out" [ ]))""");
        await using var opal = await farm.AddAsync("opal", "--speed", "50", "--size", "64m");
        await using var full = await opal.InflictAsync(Fault.StoreFull);
        await TellNoSpaceAsync(opal);

        var build = run.Session.Run("Get-NixBuilder opal, kana | Invoke-NixDistributedBuild -Path wide.nix -CopyBack Requested")
            .Succeeded();

        Assert.InRange(build.Results.Sum(result => result.Attempts.Count), 1, 8);
        Assert.Contains(build.Script.Warnings, warning => warning.Contains("opal has failed too often", StringComparison.Ordinal));
    }

    [Fact]
    [EveryNix("Builders that refuse, fail or are lost")]
    public void A_build_that_is_killed_is_not_repeated_where_memory_is_no_larger()
    {
        // All machines of this farm have the same memory.
        run.Session.Write("fat", """package "fat" "kill -9 $$" [ ]""");

        var build = run.Session.Run("Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path fat.nix");

        Assert.Equal("Failed", build["fat"].Status);
        Assert.Contains("memory", build.Errors);
        Assert.Single(build["fat"].Attempts);
    }

    [Fact]
    public async Task A_build_that_fails_by_itself_is_not_repeated_although_another_builder_might_do()
    {
        run.Session.Write("moody", $$"""package "moody" "[ $host = kana ] && echo > $out" [ {{FaultyRun.OnOpal}} ]""");
        // What it needs is there as well: so the build begins there.
        await using var opal = await run.AddOpalAsync();

        var build = run.Session.Run("Get-NixBuilder opal, kana | Invoke-NixDistributedBuild -Path moody.nix");

        Assert.Equal(("Failed", "opal"), (build["moody"].Status, build["moody"].Builder));
        Assert.Empty(build["moody"].Attempts);
    }
    [Fact]
    [EveryNix("Failures, with the end of the log")]
    public void An_output_with_the_wrong_hash_is_refused_and_not_built_again()
    {
        run.Session.Write("wrong", """attrs { outputHash = "0000000000000000000000000000000000000000000000000000"; outputHashAlgo = "sha256"; outputHashMode = "flat"; } "wrong" "echo other > $out" [ ]""");

        var build = run.Session.Run("Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path wrong.nix");

        Assert.Equal("Failed", build["wrong"].Status);
        Assert.Contains("hash mismatch", build.Errors);
        Assert.Empty(build["wrong"].Attempts);
    }

    [Theory]
    [InlineData("flat", "nix-hash --type sha256 --flat /tmp/sound", "fixed:sha256:")]
    [InlineData("recursive", "nix-hash --type sha256 /tmp/sound", "fixed:r:sha256:")]
    public async Task A_fixed_output_is_copied_back_with_its_hash_for_the_local_store_to_check(string mode, string hash, string address)
    {
        await farm.Coordinator.ExecAsync("bash", "-c", "echo sound > /tmp/sound");
        var content = (await farm.Coordinator.ExecAsync("bash", "-c", hash)).Trim();
        run.Session.Write("fixed", $$"""attrs { outputHash = "{{content}}"; outputHashAlgo = "sha256"; outputHashMode = "{{mode}}"; } "fixed" "echo sound > $out" [ ]""");

        var build = run.Session.Run("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path fixed.nix").Succeeded();

        Assert.Contains(address, await farm.Coordinator.ExecAsync("nix", "path-info", "--json", build["fixed"].Output));
    }

    /// <summary>Builds, on opal or kana, what has an input of 100 MB, which is at home.</summary>
    private BuildOutput BuildWithLargeInput()
    {
        run.Session.Write("big", $$"""
            rec { big = package "big" "head -c 100000000 /dev/zero > $out" [ ]; top = package "top" "for i in $inputs; do head -c 5 $i > $out; done" [ big {{FaultyRun.OnOpal}} ]; }
            """);
        run.Session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path big.nix -Attribute big").Succeeded();
        return run.Session.Run("Get-NixBuilder opal, kana | Invoke-NixDistributedBuild -Path big.nix -Attribute top").Succeeded();
    }

    /// <summary>Has a machine not tell how full its disk is, so that only a failure tells.</summary>
    private static async Task TellNoSpaceAsync(FarmHost host) => await host.ExecAsync("mount", "--bind", "/bin/false", "/usr/bin/df");
}
