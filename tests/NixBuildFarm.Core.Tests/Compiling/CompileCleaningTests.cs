using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Compiling;

/// <summary>What compiles leave in stores, also those of a run that is killed, is known and goes.</summary>
public sealed class CompileCleaningTests : IDisposable
{
    private readonly SharingFarm farm;

    public CompileCleaningTests() => farm = new("ruby") { Package = CompileAsync };

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task A_run_leaves_results_and_the_shim_and_knows_of_them()
    {
        await farm.BuildAsync(on: ["home", "ruby"]);

        foreach (var builder in new[] { "home", "ruby" })
        {
            var left = Left(builder);
            Assert.Equal(left.Order(), farm.Remembered.KeptCompiles(builder).Select(compile => StorePath.Parse(compile.Path)).Order());
            Assert.All(left, path => Assert.True(CompileDerivation.IsResult(path)
                || path.Name is "nixbuildfarm-shim" or "nixbuildfarm-shadow" or "nixbuildfarm-shim.c", path.Name));
            Assert.Contains(left, path => path.Name == "nixbuildfarm-shim");
        }
        Assert.Contains(Left("ruby"), CompileDerivation.IsResult);
    }

    [Fact]
    public async Task Whatever_is_made_is_known_before()
    {
        farm.OnHelper = build =>
        {
            var known = farm.Remembered.KeptCompiles("ruby").Concat(farm.Remembered.KeptCompiles("home"))
                .Select(one => one.Path).ToHashSet();
            Assert.Contains(build.Derivation!.Outputs["out"].Path!.ToString(), known);
            Assert.All(
                build.Derivation.InputPaths.Where(path => path.Name is "nixbuildfarm-file" or "nixbuildfarm-unit"),
                path => Assert.Contains(path.ToString(), known));
            return Task.FromResult<BuildResult?>(null);
        };

        var result = await farm.BuildAsync(on: ["home", "ruby"]);

        Assert.True(result.SharedCompiles!.Shared > 0, "No compile was shared.");
    }

    [Fact]
    public async Task What_a_run_that_was_killed_has_left_goes_with_a_later_one_though_that_shares_nothing()
    {
        var (file, result, other) = (Leave("file", 0), Leave("compile", 10), Leave("unit", 0, isKnown: false));
        var used = Leave("unit", 0);
        farm.Home.Daemon.Store.InUse.TryAdd(used, 0);

        await farm.BuildAsync(ShareMode.Never);

        Assert.Equal(new[] { result, other, used }.Order(), Left("home").Order());
        Assert.Equal(
            new[] { result, used }.Order(), farm.Remembered.KeptCompiles("home").Select(compile => StorePath.Parse(compile.Path)).Order());

        farm.Home.Daemon.Store.InUse.Clear();
        farm.Farm.Results.Clear();
        farm.Home.Daemon.Store.Remove(Running.FakeFarm.OutputOf("package"));
        farm.Farm.Local.Daemon.Store.Remove(Running.FakeFarm.OutputOf("package"));
        await farm.BuildAsync(ShareMode.Never);

        Assert.Equal(new[] { result, other }.Order(), Left("home").Order());
    }

    private static async Task CompileAsync(FakeBroker? broker)
    {
        if (broker is null) return;
        await Task.WhenAll(
            Enumerable.Range(0, 8).Select(i => FakeShim.CompileAsync(broker, $"unit{i}", atHomeAsync: () => Task.Delay(200))));
    }

    private StorePath Leave(string what, long bytes, bool isKnown = true)
    {
        var store = farm.Home.Daemon.Store;
        var path = StorePath.Parse($"/nix/store/{new string('0', 31)}{store.ValidPaths.Count}-nixbuildfarm-{what}");
        var (info, nar) = Protocol.FakeStore.FileOf(what, []);
        store.Add(info with { Path = path }, nar);
        if (isKnown) farm.Remembered.Keep("home", [new KeptCompile(path.ToString(), bytes, DateTimeOffset.UnixEpoch)]);
        return path;
    }

    private StorePath[] Left(string builder) =>
    [
        .. farm.Farm[builder].Daemon.Store.ValidPaths.Where(path => path.Name.StartsWith("nixbuildfarm-", StringComparison.Ordinal)),
    ];
}
