using NixBuildFarm.Builders;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Core.Tests.Supplying;

public sealed class PathCatalogTests : IAsyncLifetime
{
    private readonly PathCatalog catalog = new();
    private readonly FakeMachine machine = new(NixBuilder.LocalName);
    private BuilderSession local = null!;

    public async ValueTask InitializeAsync() =>
        local = await BuilderSession.OpenAsync(machine.Builder, machine, new DaemonOptions(), TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync() => local.DisposeAsync();

    [Fact]
    public void A_shared_input_is_no_part_of_what_each_job_needs_alone()
    {
        var libc = Add("libc", 1_000);
        var library = Add("library", 100, libc);
        var (source, other) = (Add("source", 10), Add("other", 1, library));

        // The first comes to the library by itself, the second by way of another path, the third not at all.
        Assert.Equal([10, 1, 0, 0], catalog.OwnBytes([[source, library], [other], [libc], []]));
    }

    [Fact]
    public void An_input_that_a_job_reaches_on_several_ways_counts_once()
    {
        var bottom = Add("bottom", 1_000);
        var (left, right) = (Add("left", 100, bottom), Add("right", 10, bottom));

        Assert.Equal([1_110], catalog.OwnBytes([[left, right, bottom]]));
    }

    [Fact]
    public void The_closure_of_an_unknown_path_fails_with_its_name()
    {
        var missing = FakeStore.PathOf("missing");
        var library = Add("library", 100, missing);

        Assert.Equal(missing, Assert.Throws<PathLostException>(() => catalog.ClosureOf([missing])).Path);
        Assert.Equal(missing, Assert.Throws<PathLostException>(() => catalog.ClosureOf([library])).Path);
    }

    [Fact]
    public void An_output_that_is_not_built_yet_weighs_nothing() => Assert.Equal([0], catalog.OwnBytes([[FakeStore.PathOf("nowhere")]]));

    [Fact]
    public async Task Unconfirmed_facts_of_a_path_give_way_to_confirmed_ones()
    {
        var other = new FakeMachine("ruby");
        await using var ruby = await BuilderSession.OpenAsync(
            other.Builder, other, new DaemonOptions(), TestContext.Current.CancellationToken);
        var (said, right) = (FakeStore.FileOf("path", [1]).Info, FakeStore.FileOf("path", [2]).Info);

        catalog.Add(said, ruby, isVouchedFor: false);
        Assert.False(catalog.IsVouchedFor(said));

        catalog.Add(right, local, isVouchedFor: true);
        Assert.Equal((right, false, true), (catalog.Find(right.Path), catalog.Has(ruby, right.Path), catalog.Has(local, right.Path)));
        Assert.True(catalog.IsVouchedFor(right));
        // It may be on its way already.
        Assert.False(catalog.IsVouchedFor(said));
        Assert.False(catalog.IsVouchedFor(right with { References = [said.Path] }));

        catalog.Add(said, ruby, isVouchedFor: false);
        Assert.False(catalog.Has(ruby, right.Path));
        Assert.True(catalog.IsVouchedFor(right));
    }

    [Fact]
    public async Task A_machine_that_only_gets_paths_gives_none()
    {
        var other = new FakeMachine("web");
        await using var web = await BuilderSession.OpenAsync(
            other.Builder, other, new DaemonOptions(), TestContext.Current.CancellationToken);
        var path = Add("path", 1);
        catalog.AddTaker(web);
        catalog.AddHolder(path, web);
        Assert.NotNull(catalog.Find(path));

        Assert.Equal([path], catalog.Forget(local));

        Assert.Null(catalog.Find(path));
        Assert.Null(catalog.NearestHolderOf(path, new HashSet<BuilderSession>()));
        Assert.True(catalog.Has(web, path));
    }

    private StorePath Add(string name, long size, params StorePath[] references)
    {
        var info = FakeStore.FileOf(name, [], references).Info with { NarSize = size };
        catalog.Add(info, local, isVouchedFor: true);
        return info.Path;
    }
}
