using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Faults;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Sharing;

/// <summary>
/// A C++ program whose compiles several builders do: the same bits as from one builder alone, every store whole afterwards, and whatever
/// happens to those that help, the build succeeds. Needs the toolchain that tests/Farm/toolchain/make.sh makes.
/// </summary>
public sealed class SharedBuildTests(TestFarm farm) : IAsyncLifetime
{
    private const int Units = 14;

    /// <summary>What a plain build has made, which every test compares with: it is done once.</summary>
    private static string? plainHash;

    private readonly FaultyRun run = new(farm);
    private string toolchain = "";
    private AddedHost home = null!;
    private AddedHost helper = null!;

    public async ValueTask InitializeAsync()
    {
        toolchain = Path.Combine(farm.Repository, "out", "toolchain");
        Assert.SkipUnless(File.Exists(Path.Combine(toolchain, "closure")), "There is no toolchain: tests/Farm/toolchain/make.sh makes it.");
        await ShimFarm.ImportAsync(farm);
        home = await AddAsync("opal", "home");
        helper = await AddAsync("garnet", "help");

        Task<AddedHost> AddAsync(string name, string feature) => farm.AddAsync(
            name,
            "--sandbox",
            "--slots",
            "2",
            "--closure",
            Path.Combine(toolchain, "closure"),
            "--features",
            feature,
            "--conf",
            $"system-features = {feature}");
    }

    public async ValueTask DisposeAsync()
    {
        if (home is not null) await home.DisposeAsync();
        if (helper is not null) await helper.DisposeAsync();
        await run.DisposeAsync();
    }

    [Fact]
    [EveryNix("Shared compilation")]
    public async Task A_shared_build_gives_the_bits_of_a_plain_one_and_a_rebuild_finds_what_was_compiled()
    {
        var shared = await BuildAsync("Always");
        var plain = await PlainHashAsync();

        Assert.Equal(plain, shared.Hash);
        Assert.Equal("opal", shared.Line.Builder);
        Assert.True(shared.Shared > 0, "No compile was shared.");
        Assert.Equal(0, shared.Reused);
        Assert.NotNull(shared.Line.SharedCompiles?.Saved);
        await EveryStoreIsWholeAsync();
        Assert.Equal("", await LeftAsync("nixbuildfarm-file"));
        Assert.Equal("", await LeftAsync("nixbuildfarm-unit"));

        var again = await BuildAsync("Always");

        Assert.Equal(plain, again.Hash);
        Assert.True(again.Reused > 0, "Nothing that was compiled before was found.");
        await EveryStoreIsWholeAsync();
    }

    [Fact]
    public async Task A_user_who_wants_no_garbage_kept_leaves_none()
    {
        run.Session.Run("Set-NixBuilderPolicy -ShareMemo 0");

        var shared = await BuildAsync("Always");

        Assert.True(shared.Shared > 0);
        Assert.Equal("", await LeftAsync("nixbuildfarm-compile"));
    }

    [Fact]
    public async Task What_a_run_that_is_killed_leaves_goes_with_the_next_one()
    {
        Write("/home/alice/program.nix");
        await File.WriteAllTextAsync(
            "/home/alice/small.nix",
            """derivation { name = "small"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }""",
            TestContext.Current.CancellationToken);
        using (var shell = farm.StartPowerShell("alice", $"'ready'; {Script("Always")}"))
        {
            await FaultyRun.UntilBuilding(helper, "run")();
            // The end of the block kills it, and all that it started.
        }
        foreach (var host in new FarmHost[] { home, helper }) await FaultyRun.NothingRunsAsync("run", host);
        Assert.NotEqual("", await LeftAsync("nixbuildfarm-file"));

        var next = await farm.PowerShellAsync(
            "alice", "(Get-NixBuilder opal, garnet | Invoke-NixDistributedBuild -Path small.nix -NoLocal -Share Never).Status");

        Assert.Equal("Built", next.Output.Trim());
        Assert.Equal("", await LeftAsync("nixbuildfarm-file"));
        Assert.Equal("", await LeftAsync("nixbuildfarm-unit"));
        foreach (var host in new FarmHost[] { home, helper })
        {
            await ShimFarm.NoBrokerIsLeftAsync(host);
        }
        await EveryStoreIsWholeAsync();
    }

    [Fact]
    public async Task A_builder_that_is_not_to_help_does_not()
    {
        run.Session.Run("Set-NixBuilderPolicy garnet -Share None");

        var alone = await BuildAsync("Always");

        Assert.Equal(0, alone.Shared);
        Assert.DoesNotContain("nixbuildfarm-shim", await helper.ExecAsync("ls", "/nix/store"));
    }

    [Fact]
    public Task A_helper_that_is_unplugged_costs_its_compiles_alone() => SurvivesAsync(() => helper.RemoveAsync());

    [Fact]
    public Task A_helper_whose_connections_break_costs_its_compiles_alone() => SurvivesAsync(async () =>
        await helper.InflictAsync(Fault.SshdKilled));

    [Fact]
    public Task A_helper_whose_store_is_full_costs_its_compiles_alone() => SurvivesAsync(async () =>
        await helper.InflictAsync(Fault.StoreFull));

    [Fact]
    public Task A_helper_that_falls_silent_costs_its_compiles_alone() => SurvivesAsync(async () => await helper.InflictAsync(Fault.Frozen));

    /// <summary>Builds, makes trouble while a compile runs on the helper, and compares with a plain build.</summary>
    private async Task SurvivesAsync(Func<Task> trouble)
    {
        var plain = await PlainHashAsync();
        Write();
        var build = await run.RunAsync(Script("Always"), FaultyRun.UntilBuilding(helper, "run"), trouble);

        var shared = await ResultOfAsync(build);
        await home.ExecAsync("nix-store", "--verify", "--check-contents");
        Assert.Equal(plain, shared.Hash);
    }

    /// <summary>The hash of what is built without sharing: both builders have to be well.</summary>
    private async Task<string> PlainHashAsync() => plainHash ??= (await BuildAsync("Never")).Hash;

    private async Task<Built> BuildAsync(string share)
    {
        Write();
        return await ResultOfAsync(run.Session.Run(Script(share)));
    }

    private void Write() => Write(Path.Combine(run.Session.Folder, "program.nix"));

    /// <summary>Writes a program that nobody has built yet.</summary>
    private void Write(string file) => File.WriteAllText(file, ShimFarm.ExpressionOf(farm, "program", Units));

    private static string Script(string share) =>
        $"Get-NixBuilder opal, garnet | Invoke-NixDistributedBuild -Path program.nix -NoLocal -Share {share}";

    private async Task<Built> ResultOfAsync(BuildOutput build)
    {
        var line = build["program"];
        Assert.True(line.Success, $"{line}\n{build.Errors}\n{build.Warnings}");
        return new(line, (await farm.Coordinator.ExecAsync("nix-store", "--query", "--hash", line.Output)).Trim());
    }

    private async Task EveryStoreIsWholeAsync()
    {
        foreach (var host in new FarmHost[] { farm.Coordinator, home, helper }) await host.ExecAsync("nix-store",
            "--verify", "--check-contents");
    }

    private async Task<string> LeftAsync(string name) =>
        string.Concat(await Task.WhenAll(new FarmHost[] { home, helper }
            .Select(host => host.ExecAsync("bash", "-c", $"ls /nix/store | grep -E '^[a-z0-9]+-{name}(-.*)?$' || true"))));

    /// <summary>A build that succeeded.</summary>
    private sealed record Built(BuildLine Line, string Hash)
    {
        public string Output => Line.Output;

        public int Shared => Line.SharedCompiles?.Shared ?? 0;

        public int Reused => Line.SharedCompiles?.Reused ?? 0;
    }
}
