using NixBuildFarm.Protocol;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Protocol.Connection;

public class QueryTests
{
    private readonly FakeDaemon daemon = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private FakeStore Store => daemon.Store;

    [Fact]
    public async Task A_path_is_valid_or_not()
    {
        await using var connection = await daemon.OpenAsync();

        Assert.True(await connection.IsValidPathAsync(Store.AddFile("a"), Cancellation));
        Assert.False(await connection.IsValidPathAsync(FakeStore.PathOf("b"), Cancellation));
    }

    [Fact]
    public async Task Of_several_paths_the_valid_ones_are_told()
    {
        var (a, b) = (Store.AddFile("a"), FakeStore.PathOf("b"));
        await using var connection = await daemon.OpenAsync();

        Assert.Equal([a], await connection.QueryValidPathsAsync([a, b], substitute: false, Cancellation));
        Assert.Empty(await connection.QueryValidPathsAsync([], substitute: false, Cancellation));
    }

    [Fact]
    public async Task Substitutable_paths_are_fetched_where_the_request_asks_for_it()
    {
        var (info, nar) = FakeStore.FileOf("b", [1]);
        Store.Substitutable[info.Path] = (info, nar);
        await using var connection = await daemon.OpenAsync();

        Assert.Empty(await connection.QueryValidPathsAsync([info.Path], substitute: false, Cancellation));
        Assert.Equal([info.Path], await connection.QueryValidPathsAsync([info.Path], substitute: true, Cancellation));
    }

    [Fact]
    public async Task A_path_is_ensured_by_substituting_it()
    {
        var (info, nar) = FakeStore.FileOf("b", [1]);
        Store.Substitutable[info.Path] = (info, nar);
        await using var connection = await daemon.OpenAsync();

        await connection.EnsurePathAsync(info.Path, Cancellation);

        Assert.True(Store.IsValid(info.Path));
        await Assert.ThrowsAsync<DaemonException>(() => connection.EnsurePathAsync(FakeStore.PathOf("c"), Cancellation));
    }

    [Fact]
    public async Task A_valid_path_has_its_info_and_an_unknown_one_has_none()
    {
        var a = Store.AddFile("a");
        var b = Store.AddFile("b", "content", a);
        await using var connection = await daemon.OpenAsync();

        var info = await connection.QueryPathInfoAsync(b, Cancellation);

        Assert.Equal(Store.Find(b)!.NarHash, info!.NarHash);
        Assert.Equal([a], info.References);
        Assert.Null(await connection.QueryPathInfoAsync(FakeStore.PathOf("c"), Cancellation));
    }

    [Fact]
    public async Task Many_paths_are_asked_about_without_waiting_for_each_reply()
    {
        var paths = Enumerable.Range(0, 300).Select(i => i % 3 == 0 ? FakeStore.PathOf($"missing-{i}") : Store.AddFile($"p{i}")).ToList();
        var patient = new FakeDaemon { Store = Store, Faults = new() { HoldRepliesUntil = paths.Count } };
        await using var connection = await patient.OpenAsync();

        var infos = await connection.QueryPathInfosAsync([.. paths, .. paths], Cancellation);

        Assert.Equal(paths.Where(Store.IsValid).ToHashSet(), infos.Keys.ToHashSet());
        Assert.All(infos, info => Assert.Equal(info.Key, info.Value.Path));
    }

    [Fact]
    public async Task Many_replies_and_many_requests_cannot_hold_each_other_up()
    {
        var references = Enumerable.Range(0, 20).Select(i => FakeStore.PathOf($"reference-{i}")).ToArray();
        var paths = Enumerable.Range(0, 500).Select(i => Store.AddFile($"p{i}", "", references)).ToList();
        var narrow = new FakeDaemon { Store = Store, Capacity = 512 };
        await using var connection = await narrow.OpenAsync();

        Assert.Equal(500, (await connection.QueryPathInfosAsync(paths, Cancellation)).Count);
    }

    [Fact]
    public async Task Missing_paths_are_told_apart_by_how_they_can_be_had()
    {
        var (info, nar) = FakeStore.FileOf("b", [1]);
        Store.Substitutable[info.Path] = (info, nar);
        var (unknown, derivation) = (FakeStore.PathOf("c"), FakeStore.PathOf("d.drv"));
        await using var connection = await daemon.OpenAsync();

        var missing = await connection.QueryMissingAsync(
            [
                DerivedPath.Opaque(Store.AddFile("a")), DerivedPath.Opaque(info.Path), DerivedPath.Opaque(unknown),
                DerivedPath.AllOutputs(derivation),
            ],
            Cancellation);

        Assert.Equal([derivation], missing.WillBuild);
        Assert.Equal([info.Path], missing.WillSubstitute);
        Assert.Equal([unknown], missing.Unknown);
        Assert.Equal(info.NarSize, missing.NarSize);
    }

    [Fact]
    public async Task The_outputs_of_a_derivation_are_told_as_far_as_they_are_known()
    {
        var derivation = FakeStore.PathOf("d.drv");
        Store.Outputs[derivation] = new Dictionary<string, StorePath?> { ["out"] = FakeStore.PathOf("d"), ["floating"] = null };
        await using var connection = await daemon.OpenAsync();

        Assert.Equal(Store.Outputs[derivation], await connection.QueryDerivationOutputMapAsync(derivation, Cancellation));
        await Assert.ThrowsAsync<DaemonException>(() => connection.QueryDerivationOutputMapAsync(FakeStore.PathOf("e.drv"), Cancellation));
    }

    [Fact]
    public async Task Settings_arrive()
    {
        await using var connection = await daemon.OpenAsync();

        await connection.SetOptionsAsync(
            new() { KeepGoing = true, MaxBuildJobs = 4, BuildCores = 2, Overrides = new Dictionary<string, string> { ["builders"] = "" } },
            Cancellation);

        Assert.Equal((true, 4, 2), (daemon.Options!.KeepGoing, daemon.Options.MaxBuildJobs, daemon.Options.BuildCores));
        Assert.Equal(Verbosity.Info, daemon.Options.Verbosity);
        Assert.Equal("", daemon.Options.Overrides["builders"]);
    }

    [Fact]
    public async Task Roots_are_taken_in_one_go()
    {
        var paths = Enumerable.Range(0, 100).Select(i => FakeStore.PathOf($"p{i}")).ToList();
        var patient = new FakeDaemon { Store = Store, Faults = new() { HoldRepliesUntil = paths.Count } };
        await using var connection = await patient.OpenAsync();

        await connection.AddTempRootsAsync(paths, Cancellation);
        await connection.AddIndirectRootAsync("/home/me/result", Cancellation);

        Assert.Equal(paths, Store.TempRoots);
        Assert.Equal(["/home/me/result"], Store.IndirectRoots);
    }

    [Fact]
    public async Task No_questions_need_no_answer()
    {
        await using var connection = await daemon.OpenAsync();

        Assert.Empty(await connection.QueryPathInfosAsync([], Cancellation));
        await connection.AddTempRootsAsync([], Cancellation);

        Assert.Empty(daemon.Requests);
        Assert.False(connection.IsBroken);
    }
}
