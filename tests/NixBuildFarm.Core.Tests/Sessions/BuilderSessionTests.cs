using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Sessions;

/// <summary>What many builds at a time share, and what that costs where the builder is far away.</summary>
public sealed class BuilderSessionTests : IAsyncDisposable
{
    private readonly FakeFarm farm = new("ruby");
    private readonly RoundTrips trips = new();
    private BuilderSession? session;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        if (session is not null) await session.DisposeAsync();
        farm.Dispose();
    }

    [Fact]
    public async Task Opening_takes_three_round_trips()
    {
        await OpenAsync();

        // The versions; the introduction with the settings; what the builder is.
        Assert.Equal(3, trips.Count);
        Assert.Equal(1, farm["ruby"].Daemon.Requests.Count(request => request == WorkerOperation.SetOptions));
    }

    [Fact]
    public async Task A_question_that_is_called_off_leaves_the_connection_to_others()
    {
        var ruby = await OpenAsync();
        using var called = new CancellationTokenSource();
        var asking = ruby.AskAsync(
            (daemon, token) => daemon.QueryValidPathsAsync([FakeStore.PathOf("x")], substitute: false, token), called.Token);

        await called.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        Assert.Empty(
            await ruby.AskAsync(
                (daemon, token) => daemon.QueryValidPathsAsync([FakeStore.PathOf("y")], substitute: false, token), Cancellation));
    }

    [Fact]
    public async Task Roots_for_many_builds_are_taken_together()
    {
        var ruby = await OpenAsync();
        var before = trips.Count;

        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => ruby.ProtectAsync([FakeStore.PathOf($"output{i}")], Cancellation)));

        Assert.Equal(50, farm["ruby"].Daemon.Store.TempRoots.Count);
        Assert.InRange(trips.Count - before, 1, 3);
    }

    [Fact]
    public async Task Roots_that_one_build_does_not_need_any_more_are_taken_for_the_others()
    {
        var ruby = await OpenAsync();
        using var called = new CancellationTokenSource();
        var first = ruby.ProtectAsync([FakeStore.PathOf("first")], called.Token);
        var second = ruby.ProtectAsync([FakeStore.PathOf("second")], Cancellation);

        await called.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        await second;
        Assert.Contains(FakeStore.PathOf("second"), farm["ruby"].Daemon.Store.TempRoots);
    }

    [Fact]
    public async Task A_connection_that_was_set_aside_and_not_needed_serves_the_next_one()
    {
        var ruby = await OpenAsync();
        await using (var reserved = ruby.Reserve(ChannelUse.Build, Cancellation)) await reserved.UseAsync(IsValidAsync);
        await using (ruby.Reserve(ChannelUse.Build, Cancellation))
        {
            // Its user has changed its mind.
        }
        var before = trips.Count;

        await ruby.UseAsync(ChannelUse.Build, IsValidAsync, Cancellation);

        Assert.Equal(1, trips.Count - before);
    }

    [Fact]
    public async Task A_connection_opens_while_its_user_does_something_else()
    {
        var ruby = await OpenAsync();

        await using var reserved = ruby.Reserve(ChannelUse.Build, Cancellation);

        await Until.TrueAsync(
            () => farm["ruby"].Daemon.Requests.Count(request => request == WorkerOperation.SetOptions) == 2,
            "the second connection has its settings");
    }

    private static Task<bool> IsValidAsync(DaemonConnection daemon) => daemon.IsValidPathAsync(FakeStore.PathOf("x"), Cancellation);

    private async Task<BuilderSession> OpenAsync() => session = await BuilderSession.OpenAsync(
        farm["ruby"].Builder, new DistantTransport(farm["ruby"], TimeSpan.FromMilliseconds(50), trips), new DaemonOptions(), Cancellation);
}
