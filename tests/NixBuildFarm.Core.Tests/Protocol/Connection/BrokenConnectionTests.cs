using CsCheck;
using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Protocol.Connection;

/// <summary>What breaks a connection and what does not.</summary>
public class BrokenConnectionTests
{
    private static readonly StorePath Path = FakeStore.PathOf("a");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task After_an_error_of_the_daemon_the_connection_goes_on()
    {
        var daemon = new FakeDaemon { Faults = new() { Refusals = Refusing(WorkerOperation.QueryMissing) } };
        await using var connection = await daemon.OpenAsync();

        var e = await Assert.ThrowsAsync<DaemonException>(() => connection.QueryMissingAsync([DerivedPath.Opaque(Path)], Cancellation));

        Assert.Equal("DaemonError", e.Id);
        Assert.Equal("ruby: error: not today", e.Message);
        Assert.Equal("error: not today", e.Text);
        Assert.Equal(["while serving the fake request"], e.Traces);
        Assert.False(connection.IsBroken);
        Assert.False(await connection.IsValidPathAsync(Path, Cancellation));
    }

    [Fact]
    public async Task An_error_among_many_requests_is_thrown_once_all_replies_are_read()
    {
        var daemon = new FakeDaemon { Faults = new() { Refusals = Refusing(WorkerOperation.AddTempRoot), HoldRepliesUntil = 50 } };
        await using var connection = await daemon.OpenAsync();

        await Assert.ThrowsAsync<DaemonException>(
            () => connection.AddTempRootsAsync([.. Enumerable.Range(0, 50).Select(i => FakeStore.PathOf($"p{i}"))], Cancellation));

        Assert.False(connection.IsBroken);
        Assert.False(await connection.IsValidPathAsync(Path, Cancellation));
    }

    [Fact]
    public Task Wherever_the_daemon_ends_it_is_a_lost_connection_and_never_a_wait() =>
        Gen.Long[1, 1300].SampleAsync(
            async end =>
            {
                var daemon = new FakeDaemon { Faults = new() { EndAfter = end } };
                daemon.Store.AddFile("a", "content");

                var e = await Assert.ThrowsAsync<BuilderException>(() => UseAsync(daemon));

                Assert.True(e.Failure is BuilderFailure.ConnectionLost or BuilderFailure.Incompatible, e.Message);
                Assert.True(e.Failure == BuilderFailure.ConnectionLost || end < 8, e.Message);
            },
            iter: 200);

    [Fact]
    public async Task Garbage_in_place_of_a_reply_is_shown_for_what_it_is_and_breaks_the_connection()
    {
        var (connection, server) = await GreetedAsync();
        await using var _ = connection;
        await server.WriteAsync(ProtocolBytes.Of(0x12345678), Cancellation);

        var e = await Assert.ThrowsAsync<BuilderException>(() => connection.IsValidPathAsync(Path, Cancellation));

        Assert.Equal(BuilderFailure.Incompatible, e.Failure);
        Assert.Equal("ruby sent something that a Nix daemon does not send: 0x12345678 is no message of a daemon.", e.Message);
        Assert.True(connection.IsBroken);
        var refused = await Assert.ThrowsAsync<BuilderException>(() => connection.IsValidPathAsync(Path, Cancellation));
        Assert.Contains("is closed", refused.Message);
    }

    [Fact]
    public async Task A_stream_that_fails_is_a_lost_connection()
    {
        var (connection, server) = await GreetedAsync(read: () => throw new IOException("Connection reset by peer"));
        await using var _ = connection;

        var e = await Assert.ThrowsAsync<BuilderException>(() => connection.IsValidPathAsync(Path, Cancellation));

        Assert.Equal(BuilderFailure.ConnectionLost, e.Failure);
        Assert.Contains("Connection reset by peer", e.Message);
        Assert.True(connection.IsBroken);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Cancelling_works_at_once_also_where_the_stream_ignores_it(bool closingHangs)
    {
        var never = new TaskCompletionSource<int>();
        var (connection, _) = await GreetedAsync(read: () => never.Task, close: () => closingHangs ? never.Task : Task.CompletedTask);
        using var cancel = new CancellationTokenSource();

        var asking = connection.IsValidPathAsync(Path, cancel.Token);
        Assert.False(asking.IsCompleted);
        await cancel.CancelAsync();

        var e = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        Assert.Equal(cancel.Token, e.CancellationToken);
        Assert.True(connection.IsBroken);
        never.SetResult(0);
        await connection.DisposeAsync();
    }

    [Fact]
    public async Task Cancelling_works_at_once_also_while_the_daemon_does_not_read()
    {
        var daemon = new FakeDaemon { Capacity = 1024, Faults = new() { SilentAt = WorkerOperation.QueryValidPaths } };
        await using var connection = await daemon.OpenAsync();
        using var cancel = new CancellationTokenSource();

        var asking = connection.QueryValidPathsAsync(
            [.. Enumerable.Range(0, 1000).Select(i => FakeStore.PathOf($"p{i}"))], false, cancel.Token);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        await daemon.AllClosedAsync();
    }

    [Fact]
    public async Task Cancelling_closes_the_stream_also_while_a_sink_is_busy()
    {
        var daemon = new FakeDaemon
        {
            Build = async build =>
            {
                await build.LogAsync("line");
                await Task.Delay(Timeout.Infinite, build.Cancelled);
                return build.Succeed();
            },
        };
        using var cancel = new CancellationTokenSource();
        using var busy = new SemaphoreSlim(0);
        await using var connection = await daemon.OpenAsync();
        var inSink = new TaskCompletionSource();
        daemon.Store.Outputs[Path] = new Dictionary<string, StorePath?>();

        var building = Task.Run(
            () => connection.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Path)], BuildMode.Normal, Hold, cancel.Token),
            Cancellation);
        await inSink.Task.WaitAsync(Cancellation);
        await cancel.CancelAsync();
        await daemon.AllClosedAsync();
        busy.Release();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => building);

        void Hold(DaemonMessage message)
        {
            inSink.SetResult();
            busy.Wait(Cancellation);
        }
    }

    [Fact]
    public async Task A_request_that_is_cancelled_beforehand_costs_nothing()
    {
        await using var connection = await new FakeDaemon().OpenAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => connection.IsValidPathAsync(Path, new CancellationToken(canceled: true)));

        Assert.False(await connection.IsValidPathAsync(Path, Cancellation));
    }

    [Fact]
    public async Task A_second_request_meanwhile_is_a_mistake_of_the_caller_and_harms_nothing()
    {
        var go = new TaskCompletionSource();
        var daemon = new FakeDaemon
        {
            Build = async build =>
            {
                await go.Task;
                return build.Succeed();
            },
        };
        await using var connection = await daemon.OpenAsync();
        var building = connection.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Path)], BuildMode.Normal, null, Cancellation);

        await Assert.ThrowsAsync<InvalidOperationException>(() => connection.IsValidPathAsync(Path, Cancellation));
        go.SetResult();

        Assert.True((await building)[0].Result.IsSuccess);
        Assert.False(await connection.IsValidPathAsync(Path, Cancellation));
    }

    [Fact]
    public async Task A_sink_that_fails_is_the_callers_error_and_breaks_the_connection()
    {
        var daemon = new FakeDaemon
        {
            Build = async build =>
            {
                await build.LogAsync("line");
                return build.Succeed();
            },
        };
        await using var connection = await daemon.OpenAsync();

        await Assert.ThrowsAsync<TimeoutException>(
            () =>
                connection.BuildPathsWithResultsAsync(
                    [DerivedPath.AllOutputs(Path)], BuildMode.Normal, _ => throw new TimeoutException(), Cancellation));

        Assert.True(connection.IsBroken);
        await daemon.AllClosedAsync();
    }

    [Fact]
    public async Task Closing_ends_a_request_that_is_under_way()
    {
        var daemon = new FakeDaemon { Faults = new() { SilentAt = WorkerOperation.QueryValidPaths } };
        var connection = await daemon.OpenAsync();
        var asking = connection.IsValidPathAsync(Path, Cancellation);

        await connection.DisposeAsync();

        var e = await Assert.ThrowsAsync<BuilderException>(() => asking);
        Assert.Equal("The connection to ruby is closed: it is no longer needed.", e.Message);
        await daemon.AllClosedAsync();
        await connection.DisposeAsync();
    }

    /// <summary>About 1,300 bytes of conversation, from the daemon's side.</summary>
    private static async Task UseAsync(FakeDaemon daemon)
    {
        await using var connection = await daemon.OpenAsync();
        await connection.QueryPathInfosAsync([Path, FakeStore.PathOf("b")], Cancellation);
        await connection.CopyNarToAsync(Path, Stream.Null, Cancellation);
        daemon.Store.Outputs[Path] = new Dictionary<string, StorePath?> { ["out"] = Path };
        await connection.QueryDerivationOutputMapAsync(Path, Cancellation);
        await connection.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Path)], BuildMode.Normal, null, Cancellation);
        for (var i = 0; i < 10; i++) await connection.QueryValidPathsAsync([Path], false, Cancellation);
    }

    /// <summary>A connection to a daemon that has greeted, whose further behaviour the test decides.</summary>
    private static async Task<(DaemonConnection Connection, Stream Server)> GreetedAsync(
        Func<Task<int>>? read = null, Func<Task>? close = null)
    {
        var channel = new MemoryChannel(64 << 10);
        var client = new ScriptedStream(channel.Client) { Closing = close };
        await channel.Server.WriteAsync(ProtocolBytes.Of(0x6478696f, 0x122, "2.8.0", 0x616c7473), Cancellation);
        var connection = await DaemonConnection.OpenAsync(client, new() { Builder = "ruby" }, Cancellation);
        client.Reading = read;
        return (connection, channel.Server);
    }

    private static Dictionary<WorkerOperation, string> Refusing(WorkerOperation operation) => new() { [operation] = "not today" };

    private sealed class ScriptedStream(Stream inner) : AsyncStream
    {
        public Func<Task<int>>? Reading { get; set; }

        public Func<Task>? Closing { get; set; }

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Reading is null ? inner.ReadAsync(buffer, cancellationToken) : new(Reading());

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            inner.WriteAsync(buffer, cancellationToken);

        public override async ValueTask DisposeAsync()
        {
            if (Closing is not null) await Closing();
            await base.DisposeAsync();
        }
    }
}
