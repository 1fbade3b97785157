using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Faults;

/// <summary>NARs that do not arrive as they were registered: refused, told, and made up for.</summary>
public sealed class DamageTests(TestFarm farm) : IAsyncDisposable
{
    private readonly FaultyRun run = new(farm);

    public ValueTask DisposeAsync() => run.DisposeAsync();

    [Theory]
    [InlineData("s/CONTENT-OF-THE-OUTPUT/CONTENT-OF-THE-0UTPUT/", "is damaged, and was refused")]
    [InlineData("if (s/OF-THE-OUTPUT.*//s) { syswrite(STDOUT, $_); last }", "did not send a whole NAR")]
    public async Task An_output_that_is_altered_or_cut_short_during_the_copy_is_rebuilt_by_another_builder_and_reported(
        string trouble, string told)
    {
        run.Session.Write("one", $$"""package "one" "echo CONTENT-OF-THE-OUTPUT > $out" [ {{FaultyRun.OnOpal}} ]""");
        await using var opal = await run.AddOpalAsync();
        await PutBetweenAsync(opal, trouble);

        var build = run.Session.Run("Get-NixBuilder opal, kana | Invoke-NixDistributedBuild -Path one.nix");

        var result = build["one"];
        Assert.True(result.Success, result + "\n" + build.Errors);
        Assert.Equal("kana", result.Builder);
        var attempt = Assert.Single(result.Attempts);
        Assert.StartsWith("opal: ", attempt);
        Assert.Contains(told, attempt);
        Assert.Contains(result.Output, attempt);
        Assert.Equal("CONTENT-OF-THE-OUTPUT\n", await File.ReadAllTextAsync(result.Output, TestContext.Current.CancellationToken));
        await farm.Coordinator.ExecAsync("nix-store", "--verify", "--check-contents");
        await run.NothingButIdleConnectionsIsLeftAsync(farm.Kana);
    }

    [Fact]
    public async Task Where_nobody_else_may_build_it_the_path_the_builder_and_the_remedy_are_told()
    {
        run.Session.Write("one", """package "one" "echo CONTENT-OF-THE-OUTPUT > $out" [ ]""");
        await using var opal = await farm.AddAsync("opal");
        await PutBetweenAsync(opal, "s/CONTENT-OF-THE-OUTPUT/CONTENT-OF-THE-0UTPUT/");

        var build = run.Session.Run("Get-NixBuilder opal | Invoke-NixDistributedBuild -Path one.nix");

        Assert.Equal("Failed", build["one"].Status);
        Assert.Contains(" on opal is damaged", build["one"].Error);
        Assert.Contains("is damaged, and was refused", build["one"].Error);
    }

    [Fact]
    public async Task A_builder_that_is_lost_during_a_copy_back_sends_the_output_when_it_reconnects()
    {
        run.Session.Write("big", """package "big" "echo once >> /tmp/built; head -c 600000000 /dev/zero > $out" [ ]""");
        await using var opal = await farm.AddAsync("opal");

        var build = await run.RunAsync(
            "Get-NixBuilder opal | Invoke-NixDistributedBuild -Path big.nix",
            await FaultyRun.UntilGrownAsync(farm.Coordinator, 20),
            async () => await (await opal.InflictAsync(Fault.SshdKilled)).DisposeAsync());

        Assert.True(build["big"].Success, build["big"] + "\n" + build.Errors);
        Assert.Equal(600_000_000, new FileInfo(build["big"].Output).Length);
        Assert.Equal("once\n", await opal.ExecAsync("cat", "/tmp/built"));
    }

    /// <summary>Has what a machine's daemon says pass through a program, which gets each piece of it in <c>$_</c>.</summary>
    private static Task<string> PutBetweenAsync(FarmHost host, string program) => host.ExecAsync("bash", "-c", $$"""
        real=$(command -v nix-daemon)
        printf '%s\n' "$1" > /tmp/between.pl
        printf '%s\n' '#!/bin/bash' "exec perl /tmp/between.pl $real \"\$@\"" > /tmp/nix-daemon
        chmod 755 /tmp/nix-daemon
        [ "$real" != /usr/local/bin/nix-daemon ]
        mv /tmp/nix-daemon /usr/local/bin/nix-daemon
        """, "-", $$"""$pid = open(D, "-|", @ARGV); while (sysread(D, $_, 1 << 20)) { {{program}}; syswrite(STDOUT, $_) or last } kill 9, $pid;""");
}
