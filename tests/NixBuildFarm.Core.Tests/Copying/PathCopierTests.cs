using System.Collections.Concurrent;
using NixBuildFarm.Copying;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Errors;
using NixBuildFarm.Observing;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Copying;

/// <summary>What comes from a builder is checked by who takes it, as with <c>nix copy</c>.</summary>
public sealed class PathCopierTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby", "kana");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => farm.Dispose();

    [Theory]
    [InlineData("local")]
    [InlineData("kana")]
    public async Task A_builders_path_is_not_taken_unless_it_is_content_addressed_or_signed(string to)
    {
        var store = farm["ruby"].Daemon.Store;
        var unsigned = store.AddFile("unsigned");
        var (signed, signedNar) = FakeStore.FileOf("signed", [1]);
        store.Add(signed with { Signatures = [FakeStore.TrustedKey + "AAAA"] }, signedNar);
        var (addressed, addressedNar) = FakeStore.ContentAddressed("addressed", [2]);
        store.Add(addressed, addressedNar);

        var told = await CopyAsync(
            new() { Paths = [unsigned, signed.Path, addressed.Path], From = farm["ruby"].Builder, To = [farm[to].Builder] });

        Assert.Equal(new[] { addressed.Path, signed.Path }.Order(), ValidAt(to));
        var error = Assert.Single(told.Errors);
        Assert.Equal("PathRefused", error.Id);
        Assert.Contains($"{to} refuses what ruby has", error.Message);
        Assert.Contains("-NoCheckSignature", error.Recommendation);
    }

    [Fact]
    public async Task A_reference_that_a_builder_invents_brings_nothing_in()
    {
        var store = farm["ruby"].Daemon.Store;
        var victim = store.AddFile("glibc", "of ruby's own");
        var (info, nar) = FakeStore.ContentAddressed("tool", [1], victim);
        store.Add(info, nar);

        var told = await CopyAsync(new() { Paths = [info.Path], From = farm["ruby"].Builder });

        Assert.Empty(ValidAt("local"));
        Assert.Equal("PathRefused", Assert.Single(told.Errors).Id);
    }

    [Fact]
    public async Task A_content_address_that_gives_another_path_is_refused_and_the_builder_named()
    {
        var store = farm["ruby"].Daemon.Store;
        var (info, nar) = FakeStore.FileOf("glibc", [1]);
        store.Add(info with { ContentAddress = $"fixed:r:sha256:{info.NarHash.ToBase32()}" }, nar);

        var told = await CopyAsync(new() { Paths = [info.Path], From = farm["ruby"].Builder });

        Assert.Empty(ValidAt("local"));
        var error = Assert.IsType<BuilderException>(Assert.Single(told.Errors));
        Assert.Equal(("ruby", BuilderFailure.FalseResult), (error.Builder, error.Failure));
    }

    [Fact]
    public async Task An_unverifiable_path_is_accepted_on_request()
    {
        var store = farm["ruby"].Daemon.Store;
        var bottom = store.AddFile("bottom");
        var top = store.AddFile("top", "", bottom);

        var told = await CopyAsync(new() { Paths = [top], From = farm["ruby"].Builder, CheckSignatures = false });

        Assert.Empty(told.Errors);
        Assert.Equal([top, bottom], told.Copies.Select(copy => StorePath.Parse(copy.Path)).OrderBy(path => path == bottom));
        Assert.True(farm.Local.Daemon.Store.IsValid(top));
    }

    [Fact]
    public async Task A_builder_that_trusts_the_login_takes_unsigned_local_paths()
    {
        var path = farm.Local.Daemon.Store.AddFile("unsigned");

        Assert.Empty((await CopyAsync(new() { Paths = [path], To = [farm["ruby"].Builder] })).Errors);

        Assert.True(farm["ruby"].Daemon.Store.IsValid(path));
    }

    [Fact]
    public async Task A_builder_that_refers_to_what_it_does_not_have_is_told()
    {
        var absent = FakeStore.PathOf("absent");
        var (info, nar) = FakeStore.ContentAddressed("tool", [1], absent);
        farm["ruby"].Daemon.Store.Add(info, nar);

        var error = await Assert.ThrowsAsync<BuilderException>(() => CopyAsync(new() { Paths = [info.Path], From = farm["ruby"].Builder }));

        Assert.Contains($"refers to {absent}, which it does not have", error.Message);
        Assert.Empty(ValidAt("local"));
    }

    /// <summary>What is valid there, but for what a fake daemon makes of the question whether it trusts the login.</summary>
    private IEnumerable<StorePath> ValidAt(string name) =>
        farm[name].Daemon.Store.ValidPaths.Where(path => path.Name != "nixbuildfarm-probe").Order();

    private async Task<Told> CopyAsync(PathCopyRequest request)
    {
        var told = new Told();
        await new PathCopier(request with { To = request.To is [{ IsLocal: true }] ? [farm.Local.Builder] : request.To }, farm, told)
            .CopyAsync(Cancellation)
            .WaitAsync(Until.Limit, Cancellation);
        return told;
    }

    private sealed class Told : ICopyObserver
    {
        public ConcurrentQueue<NixStorePathCopy> Copies { get; } = new();

        public ConcurrentQueue<NixBuildFarmException> Errors { get; } = new();

        public void Copied(NixStorePathCopy copy) => Copies.Enqueue(copy);

        public void PathFailed(string path, NixBuildFarmException error) => Errors.Enqueue(error);

        public void Observe(RunNews news)
        {
            if (news is RunNews.BuilderFailed(_, var error)) Errors.Enqueue(error);
        }

        public void Progressed(CopyProgress progress) => Assert.InRange(progress.CopiedPaths, 0, progress.Paths);
    }
}
