using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Supplying;

/// <summary>A path that is larger than any memory should have to hold.</summary>
public sealed class LargeOutputTests
{
    private const long FileSize = 4L << 30;
    private const ulong Last = 0x616c7473; // what a daemon says when it has done what was asked

    private static readonly byte[] Head = ProtocolBytes.Concat(
        ProtocolBytes.Of("nix-archive-1", "(", "type", "regular", "contents"), BitConverter.GetBytes(FileSize));
    private static readonly byte[] Tail = ProtocolBytes.Of(")");

    /// <summary>Its hash was computed by another program.</summary>
    private static readonly PathInfo Large = new()
    {
        Path = FakeStore.PathOf("large"),
        NarHash = Sha256Hash.ParseHex("cff64243042e66dc850babfb824638f4dd740dc323adc92eccc8d2bd757611cf"),
        NarSize = Head.Length + FileSize + Tail.Length,
        References = [],
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Four_gigabytes_come_home_with_little_of_them_in_memory_at_any_time()
    {
        var flow = new Flow();
        var (source, home) = (new FakeMachine("ruby"), new FakeMachine("local"));
        source.Daemon.Store.Add(Large, []);
        await using var ruby = await BuilderSession.OpenAsync(
            source.Builder, new Bulk(source, () => new Giving(flow)), new(), Cancellation);
        await using var local = await BuilderSession.OpenAsync(home.Builder, new Bulk(home, () => new Taking(flow)), new(), Cancellation);
        var supply = new Supply(new(), new(TimeProvider.System, maxUpload: null), new(new(TimeProvider.System), _ => { }), _ => { });
        await supply.Closures.DiscoverAsync(ruby, [Large.Path], Cancellation, believe: true);

        var bytes = await supply.EnsureAsync(local, [Large.Path], new(TransferPurpose.Needed), Cancellation);

        Assert.Equal(Large.NarSize, bytes);
        Assert.InRange(flow.Taken, Large.NarSize, Large.NarSize + Large.NarSize / 100);
        // The headers of frames, 8 bytes for each 64 KiB, count as taken too.
        Assert.InRange(flow.MostUnderWay, 1, 1 << 20);
    }

    /// <summary>What has left its holder, and what has come to the other side.</summary>
    private sealed class Flow
    {
        private long given;

        /// <summary>The most that was somewhere in between.</summary>
        public long MostUnderWay { get; private set; }

        public long Taken { get; private set; }

        /// <summary>Completes when all has come.</summary>
        public TaskCompletionSource Complete { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Give(int bytes)
        {
            lock (Complete)
            {
                given += bytes;
                MostUnderWay = Math.Max(MostUnderWay, given - Taken);
            }
        }

        public void Take(int bytes)
        {
            lock (Complete) Taken += bytes;
            if (Taken > Large.NarSize) Complete.TrySetResult();
        }
    }

    /// <summary>A machine whose connections for NARs are not those of its fake daemon, which holds every NAR in memory.</summary>
    private sealed class Bulk(IBuilderTransport machine, Func<AsyncStream> open) : IBuilderTransport
    {
        public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
            use == ChannelUse.Bulk ? Task.FromResult<IBuilderChannel>(new Channel(open())) : machine.OpenAsync(use, cancellation);

        public ValueTask DisposeAsync() => machine.DisposeAsync();

        private sealed class Channel(Stream stream) : IBuilderChannel
        {
            public Stream Stream => stream;

            public string ErrorOutput => "";

            public ValueTask DisposeAsync() => stream.DisposeAsync();
        }
    }

    /// <summary>
    /// A daemon that says what is next without listening: it greets, takes the settings, and then it does what it is there for.
    /// </summary>
    private abstract class Monologue : AsyncStream
    {
        private ReadOnlyMemory<byte> next = ProtocolBytes.Of(0x6478696fUL, 1UL << 8 | 34, "2.8", Last, Last);

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.CompletedTask;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (next.IsEmpty) return await GoOnAsync(buffer, cancellationToken);
            return Put(ref next, buffer);
        }

        protected static int Put(ref ReadOnlyMemory<byte> text, Memory<byte> buffer)
        {
            var count = Math.Min(text.Length, buffer.Length);
            text[..count].CopyTo(buffer);
            text = text[count..];
            return count;
        }

        protected abstract ValueTask<int> GoOnAsync(Memory<byte> buffer, CancellationToken cancellation);
    }

    private sealed class Giving(Flow flow) : Monologue
    {
        private ReadOnlyMemory<byte> before = ProtocolBytes.Concat(ProtocolBytes.Of(Last), Head), after = Tail;
        private long zeros = FileSize;

        protected override ValueTask<int> GoOnAsync(Memory<byte> buffer, CancellationToken cancellation)
        {
            var count = before.Length > 0 ? Put(ref before, buffer) : zeros > 0 ? PutZeros(buffer.Span) : Put(ref after, buffer);
            flow.Give(count);
            return ValueTask.FromResult(count);
        }

        private int PutZeros(Span<byte> buffer)
        {
            var count = (int)Math.Min(zeros, buffer.Length);
            buffer[..count].Clear();
            zeros -= count;
            return count;
        }
    }

    private sealed class Taking(Flow flow) : Monologue
    {
        private ReadOnlyMemory<byte> thanks = ProtocolBytes.Of(Last);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            flow.Take(buffer.Length);
            return ValueTask.CompletedTask;
        }

        protected override async ValueTask<int> GoOnAsync(Memory<byte> buffer, CancellationToken cancellation)
        {
            await flow.Complete.Task.WaitAsync(cancellation);
            return Put(ref thanks, buffer);
        }
    }
}
