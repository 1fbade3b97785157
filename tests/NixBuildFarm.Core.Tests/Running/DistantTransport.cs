using System.Threading.Channels;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>
/// Counts round trips: how often something was sent that could only be sent when an answer had come. Each message carries
/// the count at which it was sent, as in a logical clock, and several connections to several machines share one.
/// </summary>
internal sealed class RoundTrips
{
    private int seen;

    /// <summary>How many there have been, one after the other.</summary>
    public int Count => Volatile.Read(ref seen);

    /// <summary>The round trip that a message which is sent now belongs to.</summary>
    public int Next => Count + 1;

    /// <summary>An answer of a round trip has come.</summary>
    public void Answered(int trip)
    {
        while (Count is var now && now < trip) Interlocked.CompareExchange(ref seen, trip, now);
    }
}

/// <summary>A machine that is far away: whatever it sends arrives so much later.</summary>
internal sealed class DistantTransport(IBuilderTransport inner, TimeSpan delay, RoundTrips trips) : IBuilderTransport
{
    public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
        new DistantChannel(await inner.OpenAsync(use, cancellation), delay, trips);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class DistantChannel(IBuilderChannel inner, TimeSpan delay, RoundTrips trips) : IBuilderChannel
    {
        public Stream Stream { get; } = new DistantStream(inner.Stream, delay, trips);

        public string ErrorOutput => inner.ErrorOutput;

        public async ValueTask DisposeAsync()
        {
            await Stream.DisposeAsync();
            await inner.DisposeAsync();
        }
    }

    private sealed class DistantStream : AsyncStream
    {
        private readonly Stream inner;
        private readonly TimeSpan delay;
        private readonly RoundTrips trips;
        private readonly Channel<(byte[] Data, int Trip, long At)> arriving = Channel.CreateUnbounded<(byte[], int, long)>();
        private readonly Task carrying;
        private int lastSent;
        private ReadOnlyMemory<byte> here;

        public DistantStream(Stream inner, TimeSpan delay, RoundTrips trips)
        {
            (this.inner, this.delay, this.trips) = (inner, delay, trips);
            carrying = Task.Run(CarryAsync);
        }

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (here.IsEmpty)
            {
                if (!await arriving.Reader.WaitToReadAsync(cancellationToken)) return 0;
                var (data, trip, at) = await arriving.Reader.ReadAsync(cancellationToken);
                var left = delay - TimeProvider.System.GetElapsedTime(at);
                if (left > TimeSpan.Zero) await Task.Delay(left, cancellationToken);
                trips.Answered(trip);
                here = data;
            }
            var count = Math.Min(buffer.Length, here.Length);
            here[..count].CopyTo(buffer);
            here = here[count..];
            return count;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Volatile.Write(ref lastSent, trips.Next);
            return inner.WriteAsync(buffer, cancellationToken);
        }

        public override async ValueTask DisposeAsync()
        {
            await inner.DisposeAsync();
            await carrying;
            await base.DisposeAsync();
        }

        private async Task CarryAsync()
        {
            var buffer = new byte[64 << 10];
            try
            {
                while (await inner.ReadAsync(buffer) is > 0 and var count)
                {
                    arriving.Writer.TryWrite((buffer[..count], Volatile.Read(ref lastSent), TimeProvider.System.GetTimestamp()));
                }
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
            {
                // It is being closed.
            }
            arriving.Writer.TryComplete();
        }
    }
}
