using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Transport;

public sealed class UploadLimitTests : IAsyncDisposable
{
    private readonly WaitCountingTime time = new();
    private readonly MemoryTransport transport = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => transport.DisposeAsync();

    [Fact]
    public async Task All_bytes_arrive_in_their_order_at_the_allowed_pace()
    {
        var bytes = Enumerable.Range(0, 1000).Select(i => (byte)i).ToArray();
        var channel = await new UploadLimit(transport, 100, time).OpenAsync(ChannelUse.Bulk, Cancellation);

        var writing = channel.Stream.WriteAsync(bytes, Cancellation).AsTask();

        // A quarter of a second's worth at once, so that after S seconds 100 × S and one such piece are sent.
        foreach (var (seconds, sent) in new[] { (0.0, 25), (1.0, 125), (3.0, 425), (5.75, 1000) }) SentAfter(seconds, sent, 1000, 1);
        await writing;
        Assert.Equal(bytes, transport.Sent);
    }

    [Fact]
    public async Task Channels_share_the_pace_of_their_builder()
    {
        var limit = new UploadLimit(transport, 100, time);
        var one = await limit.OpenAsync(ChannelUse.Bulk, Cancellation);
        var other = await limit.OpenAsync(ChannelUse.Build, Cancellation);

        var writing = Task.WhenAll(
            one.Stream.WriteAsync(new byte[100], Cancellation).AsTask(), other.Stream.WriteAsync(new byte[100], Cancellation).AsTask());

        SentAfter(1, 125, 200, 2);
        SentAfter(0.75, 200, 200, 2);
        await writing;
    }

    [Fact]
    public async Task Received_bytes_are_not_held_up()
    {
        transport.Received = [1, 2, 3];
        var channel = await new UploadLimit(transport, 1, time).OpenAsync(ChannelUse.Bulk, Cancellation);
        var buffer = new byte[3];

        await channel.Stream.ReadExactlyAsync(buffer, Cancellation);

        Assert.Equal([1, 2, 3], buffer);
    }

    [Fact]
    public async Task A_write_that_waits_for_its_turn_can_be_cancelled()
    {
        using var stop = new CancellationTokenSource();
        var channel = await new UploadLimit(transport, 1, time).OpenAsync(ChannelUse.Bulk, Cancellation);
        var writing = channel.Stream.WriteAsync(new byte[10], stop.Token).AsTask();

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing);
    }

    /// <summary>
    /// Lets time pass in the steps in which pieces are sent. Before each step it waits until all that is due has been sent and every
    /// channel that has more to send waits for its turn: both happen on the pool, and a channel that asked later would get a later turn.
    /// </summary>
    private void SentAfter(double seconds, int bytes, int allBytes, int channels)
    {
        for (var step = seconds * 4; step >= 0; step--)
        {
            var sent = bytes - (int)(step * 25);
            var pieces = sent / 25;
            var waiting = Math.Min(channels, (allBytes - sent) / 25);
            Assert.True(
                SpinWait.SpinUntil(() => transport.Sent.Length == sent && time.Waits == pieces - 1 + waiting, Until.Limit),
                $"{transport.Sent.Length} bytes were sent instead of {sent}");
            if (step > 0) time.Advance(TimeSpan.FromSeconds(0.25));
        }
    }

    /// <summary>Counts the waits that were begun: every piece but the first waits once.</summary>
    private sealed class WaitCountingTime : FakeTimeProvider
    {
        private int waits;

        public int Waits => Volatile.Read(ref waits);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            Interlocked.Increment(ref waits);
            return timer;
        }
    }

    private sealed class MemoryTransport : IBuilderTransport, IBuilderChannel
    {
        private readonly MemoryStream sent = new();

        public byte[] Sent
        {
            get
            {
                lock (sent) return sent.ToArray();
            }
        }

        public byte[] Received { get; set; } = [];

        public Stream Stream => new DuplexStream(new MemoryStream(Received), Stream.Synchronized(sent));

        public string ErrorOutput => "";

        public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) => Task.FromResult<IBuilderChannel>(this);

        public ValueTask DisposeAsync() => sent.DisposeAsync();
    }
}
