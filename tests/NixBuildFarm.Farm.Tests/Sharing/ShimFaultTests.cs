using NixBuildFarm.Farm.Tests.Faults;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Sharing;

/// <summary>What breaks in the middle costs the sharing: the build succeeds, with the same bits.</summary>
public sealed class ShimFaultTests(TestFarm farm) : IAsyncDisposable
{
    private readonly ShimFarm shims = new(farm);

    public ValueTask DisposeAsync() => shims.DisposeAsync();

    [Theory]
    [InlineData("beryl", "broker", "KILL")]
    [InlineData("beryl", "broker", "TERM")]
    [InlineData("coral", "run", "KILL")]
    public async Task A_process_that_is_killed_costs_no_build(string host, string trade, string signal)
    {
        Assert.SkipUnless(shims.HasToolchain, "the toolchain of tests/Farm/toolchain is not there");
        // A compile is short: of many, one is seen at work, however busy this machine is.
        await shims.WriteAsync("program", "program", units: trade == "run" ? 40 : 14);
        var beryl = await shims.AddHomeAsync("--sandbox");
        var coral = await shims.AddHelperAsync();
        var victim = host == beryl.Name ? beryl : coral;
        using var running =
            shims.Session.Start("Get-NixBuilder beryl, coral | Invoke-NixDistributedBuild -Path program.nix -Share Always -CopyBack None");
        await FaultyRun.UntilBuilding(coral, "run")();

        await victim.ExecAsync(
            "bash",
            "-c",
            $"for p in $(grep -slz '^{trade}$' /proc/[0-9]*/cmdline); do kill -{signal} $(echo \"$p\" | cut -d/ -f3) 2> /dev/null || true; "
                + "done");

        var build = FaultyRun.End(running).Succeeded();
        Assert.Equal(await shims.PlainHashAsync(build["program"]), await shims.HashAsync(build["program"]));
        if (signal == "KILL" && trade == "broker") await beryl.ExecAsync("bash", "-c", "rm -r /run/nixbuildfarm-0");
        await shims.NothingIsHarmedAsync();
    }
}
