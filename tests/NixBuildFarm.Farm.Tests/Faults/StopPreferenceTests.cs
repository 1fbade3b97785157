using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Faults;

/// <summary>
/// With <c>$ErrorActionPreference = 'Stop'</c>, as CI systems have it, whatever a run recovers from ends nothing; what failed ends the
/// script when the run has ended and been kept.
/// </summary>
public sealed class StopPreferenceTests(TestFarm farm) : IAsyncDisposable
{
    private const string Wide =
        """package "root" "cat $inputs > $out" (many 5 (i: package "leaf${toString i}" "sleep 0.4; echo $name > $out" [ ]))""";
    private readonly FaultyRun run = new(farm);

    public ValueTask DisposeAsync() => run.DisposeAsync();

    public static TheoryData<Fault> All =>
    [
        Fault.SshdStopped, Fault.SshdKilled, Fault.LinkDown, Fault.Blackhole, Fault.Frozen, Fault.DaemonKilled, Fault.StoreFull,
        Fault.HostKeyChanged,
    ];

    [Theory]
    [MemberData(nameof(All), DisableDiscoveryEnumeration = true)]
    public async Task A_builder_in_trouble_costs_a_run_nothing_that_others_can_build(Fault fault)
    {
        run.Session.Write("wide", Wide);
        await using var trouble = await farm.Ruby.InflictAsync(fault);

        var build =
            run.Session.Run("Invoke-NixDistributedBuild -Path wide.nix -Builder ruby, kana; \"went on: $?, $($Error.Count) errors\"");

        build.Succeeded();
        Assert.Contains("went on: True, 0 errors", build.Script.Output.Select(o => o.ToString()));
    }

    [Fact]
    public void A_build_that_fails_ends_the_script_when_the_rest_is_built_told_and_kept()
    {
        run.Session.Write("some", """[ (package "bad" "exit 1" [ ]) (package "good" "sleep 2; echo > $out" [ ]) ]""");

        var build = run.Session.Run("""
            try { Invoke-NixDistributedBuild -Path some.nix -Builder kana -KeepGoing -JsonLog run.json | ForEach-Object { $_ } }
            catch { "caught: $($_.FullyQualifiedErrorId)" }
            Get-NixBuild | ForEach-Object { "kept: $($_.State)" }
            """);

        Assert.Equal(("Failed", "Built"), (build["bad"].Status, build["good"].Status));
        Assert.Contains(
            build.Script.Output, o => o.ToString() == "caught: BuildFailed,NixBuildFarm.Building.InvokeNixDistributedBuildCommand");
        Assert.Contains(build.Script.Output, o => o.ToString() == "kept: Failed");
        Assert.Contains("good", File.ReadAllText(Path.Combine(run.Session.Folder, "run.json")));
    }

    [Fact]
    public void Each_failure_is_an_error_once_and_the_last_thing_that_is_written()
    {
        run.Session.Write("some", """[ (package "bad" "exit 1" [ ]) (package "worse" "exit 2" [ ]) (package "good" (sleep 1) [ ]) ]""");

        var build =
            run.Session.Run("$ErrorActionPreference = 'Continue'; Invoke-NixDistributedBuild -Path some.nix -Builder kana -KeepGoing; "
                + "\"success: $?\"");

        Assert.Equal(["bad", "worse"], build.Script.Errors.Select(error => error.TargetObject.ToString()).Order());
        Assert.Contains(build.Script.Output, o => o.ToString() == "success: False");
    }

    [Fact]
    public async Task Without_any_builder_the_error_names_each_builder_and_its_fault()
    {
        run.Session.Write("one", """package "one" (sleep 0) [ ]""");
        await using var trouble = await farm.Ruby.InflictAsync(Fault.SshdStopped);

        var build = run.Session.Run("Invoke-NixDistributedBuild -Path one.nix -Builder ruby");

        Assert.Equal("NoEligibleBuilder", build["one"].Status);
        Assert.Contains("ruby: ", build["one"].Error);
        Assert.Contains("refuses the connection", build["one"].Error);
    }

    [Fact]
    public async Task A_copy_to_several_builders_reaches_the_others_before_it_says_which_is_down()
    {
        run.Session.Write("one", """package "one" (sleep 0) [ ]""");
        var output = run.Session.Run("Invoke-NixDistributedBuild -Path one.nix -Builder local").Succeeded()["one"].Output;
        await using var trouble = await farm.Ruby.InflictAsync(Fault.SshdStopped);

        var copy = run.Session.Run($"Copy-NixStorePath {output} -To ruby, kana");

        Assert.Contains("ruby", copy.Errors);
        await farm.Kana.ExecAsync("nix-store", "--check-validity", output);
    }

    [Fact]
    public async Task A_builder_that_no_job_can_use_is_not_connected()
    {
        run.Session.Write("one", """package "one" (sleep 0) [ ]""");
        await using var mac = await farm.AddAsync("opal", "--systems", "aarch64-darwin");
        await using var hole = await mac.InflictAsync(Fault.Blackhole);

        var build = run.Session.Run("Invoke-NixDistributedBuild -Path one.nix -Builder opal, kana -Verbose").Succeeded();

        Assert.Empty(build.Script.Warnings);
        Assert.DoesNotContain("opal", string.Join('\n', build.Script.Verbose));
    }
}
