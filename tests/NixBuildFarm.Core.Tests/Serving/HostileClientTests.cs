using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Serving;

/// <summary>A client that the owner of a front lets in, but does not trust, has no more rights than at Nix's own daemon.</summary>
public sealed class HostileClientTests : IAsyncDisposable
{
    private static readonly StorePath Hello = FakeStore.PathOf("hello.drv");
    private static readonly StorePath Output = FakeStore.PathOf("hello");

    private readonly FrontPair front = new(new()) { IsTrusted = false };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => front.DisposeAsync();

    [Fact]
    public async Task It_is_told_that_it_is_not_trusted()
    {
        await using var client = await front.ConnectAsync();

        Assert.Equal(DaemonTrust.NotTrusted, client.Trust);
    }

    [Fact]
    public async Task Its_settings_reach_the_daemon_only_where_anybody_may_give_them()
    {
        await using var client = await front.ConnectAsync();

        await client.SetOptionsAsync(
            new()
            {
                Overrides = new Dictionary<string, string>
                {
                    ["timeout"] = "90", ["builders"] = "", ["substituters"] = "http://evil", ["post-build-hook"] = "/tmp/evil",
                    ["sandbox"] = "false",
                },
            },
            Cancellation);

        Assert.Equal(new Dictionary<string, string> { ["timeout"] = "90", ["builders"] = "" }, front.Daemon.Options!.Overrides);
    }

    [Fact]
    public async Task It_may_not_name_builders_of_its_own()
    {
        await using var client = await front.ConnectAsync();

        await client.SetOptionsAsync(new() { Overrides = new Dictionary<string, string> { ["builders"] = "ssh://evil" } }, Cancellation);

        Assert.Equal(new Dictionary<string, string> { ["builders"] = "" }, front.Daemon.Options!.Overrides);
    }

    [Fact]
    public async Task It_cannot_add_paths_that_nobody_has_signed()
    {
        var (info, nar) = FakeStore.FileOf("forged", new byte[100]);
        await using var client = await front.ConnectAsync();

        await Assert.ThrowsAsync<DaemonException>(() => client.AddToStoreNarAsync(
            new(info, (output, stop) => output.WriteAsync(nar, stop).AsTask()), dontCheckSignatures: true, Cancellation));

        Assert.False(front.Daemon.Store.IsValid(info.Path));
    }

    [Fact]
    public async Task What_it_adds_counts_as_built_elsewhere()
    {
        var (info, nar) = FakeStore.FileOf("signed", new byte[100]);
        await using var client = await front.ConnectAsync();

        await client.AddToStoreNarAsync(
            new(
                info with { Ultimate = true, Signatures = [FakeStore.TrustedKey] },
                (output, stop) => output.WriteAsync(nar, stop).AsTask()),
            dontCheckSignatures: true, Cancellation);

        Assert.False(front.Daemon.Store.Find(info.Path)!.Ultimate);
    }

    [Fact]
    public async Task It_cannot_build_a_derivation_that_says_itself_where_its_output_goes()
    {
        await using var client = await front.ConnectAsync();

        var refused = await Assert.ThrowsAsync<DaemonException>(
            () => client.BuildDerivationAsync(Hello, DerivationWith(new(Output, "", "")), BuildMode.Normal, null, Cancellation));

        Assert.Contains("not privileged to build input-addressed derivations", refused.Message);
        Assert.Empty(front.Orders);
        Assert.DoesNotContain(WorkerOperation.BuildDerivation, front.Daemon.Requests);
    }

    [Fact]
    public async Task It_can_build_a_derivation_whose_output_can_be_checked()
    {
        await using var client = await front.ConnectAsync();

        Assert.True(
            (
                await client.BuildDerivationAsync(
                    Hello, DerivationWith(new(Output, "sha256", new string('0', 64))), BuildMode.Normal, null, Cancellation))
                .IsSuccess);

        Assert.Single(front.Orders);
    }

    [Fact]
    public async Task It_can_build_what_is_in_the_store()
    {
        await using var client = await front.ConnectAsync();

        await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], BuildMode.Normal, null, Cancellation);

        Assert.Single(front.Orders);
    }

    [Fact]
    public async Task It_cannot_repair()
    {
        await using var client = await front.ConnectAsync();

        var refused = await Assert.ThrowsAsync<DaemonException>(
            () => client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], BuildMode.Repair, null, Cancellation));

        Assert.Contains("repairing is not allowed", refused.Message);
        Assert.DoesNotContain(WorkerOperation.BuildPathsWithResults, front.Daemon.Requests);
    }

    [Fact]
    public async Task It_cannot_add_logs_or_realisations_and_its_session_goes_on()
    {
        await using var client = await front.ConnectAsync();
        using var log = new MemoryStream(new byte[200_000]);

        await Assert.ThrowsAsync<DaemonException>(
            () => client.RegisterRealisationsAsync([new($"sha256:{new string('0', 64)}!out", Output)], Cancellation));
        Assert.Null(await client.QueryPathInfoAsync(Output, Cancellation));
        await Assert.ThrowsAnyAsync<Exception>(() => client.AddBuildLogAsync(Hello, log, Cancellation));

        Assert.Empty(front.Daemon.Store.BuildLogs);
        Assert.Empty(front.Daemon.Store.Realisations);
    }

    private static BasicDerivation DerivationWith(DerivationOutput output) => new()
    {
        Outputs = new Dictionary<string, DerivationOutput> { ["out"] = output },
        InputPaths = [],
        System = "x86_64-linux",
        Builder = "/bin/sh",
        Arguments = [],
        Environment = new Dictionary<string, string>(),
    };
}
