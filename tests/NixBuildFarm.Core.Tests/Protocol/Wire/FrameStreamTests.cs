using CsCheck;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Core.Tests.Protocol.Wire;

public class FrameStreamTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_body_is_a_frame_and_an_empty_frame_at_its_end() =>
        Assert.Equal("0300000000000000" + "010203" + "0000000000000000", Convert.ToHexString(await SentAsync([], [[1], [2, 3]])));

    [Fact]
    public async Task An_empty_body_is_only_the_end() => Assert.Equal("0000000000000000", Convert.ToHexString(await SentAsync([], [[]])));

    [Fact]
    public async Task A_request_comes_before_its_body() =>
        Assert.Equal("AABB" + "0100000000000000" + "01" + "0000000000000000", Convert.ToHexString(await SentAsync([0xAA, 0xBB], [[1]])));

    [Fact]
    public async Task Small_writes_are_sent_together()
    {
        var destination = new CountingStream();
        await using var frames = new FrameStream(destination);
        for (var i = 0; i < 100; i++)
        {
            await frames.BeginAsync(new byte[100], Cancellation);
            await frames.WriteAsync(new byte[100], Cancellation);
            await frames.EndAsync(Cancellation);
        }
        await frames.SendAsync(Cancellation);

        Assert.Equal(1, destination.Writes);
        Assert.Equal(100, frames.EndedBodies);
    }

    [Fact]
    public async Task A_body_that_is_not_ended_has_no_end()
    {
        using var destination = new MemoryStream();
        await using var frames = new FrameStream(destination);
        await frames.WriteAsync(new byte[200_000], Cancellation);
        await frames.SendAsync(Cancellation);
        var body = new FrameReader(new WireReader(new MemoryStream(destination.ToArray())), () => Task.CompletedTask);

        await Assert.ThrowsAsync<WireException>(() => body.DrainAsync(Cancellation));
    }

    [Fact]
    public Task Any_requests_and_bodies_come_back() =>
        Gen.Select(Gen.Int[0, 100_000], Gen.Int[0, 150_000].Array[0, 4]).Array[1, 5].SampleAsync(
            async items =>
            {
                using var destination = new MemoryStream();
                await using var frames = new FrameStream(destination);
                foreach (var (request, writes) in items)
                {
                    await frames.BeginAsync(Filled(request, 0xAA), Cancellation);
                    foreach (var length in writes) await frames.WriteAsync(Filled(length, (byte)length), Cancellation);
                    await frames.EndAsync(Cancellation);
                }
                await frames.SendAsync(Cancellation);

                var reader = new WireReader(new MemoryStream(destination.ToArray()));
                foreach (var (request, writes) in items)
                {
                    var begin = new byte[request];
                    await new RawStream(reader).ReadExactlyAsync(begin, Cancellation);
                    using var content = new MemoryStream();
                    await new FrameReader(reader, () => Task.CompletedTask).CopyToAsync(content, Cancellation);

                    Assert.Equal(Filled(request, 0xAA).AsSpan(), begin.AsSpan());
                    Assert.Equal(
                        ProtocolBytes.Concat([.. writes.Select(length => Filled(length, (byte)length))]).AsSpan(),
                        content.ToArray().AsSpan());
                }
            },
            iter: 50);

    private static byte[] Filled(int length, byte value) => Enumerable.Repeat(value, length).ToArray();

    private static async Task<byte[]> SentAsync(byte[] request, byte[][] writes)
    {
        using var destination = new MemoryStream();
        await using var frames = new FrameStream(destination);
        await frames.BeginAsync(request, Cancellation);
        foreach (var bytes in writes) await frames.WriteAsync(bytes, Cancellation);
        await frames.EndAsync(Cancellation);
        await frames.SendAsync(Cancellation);
        return destination.ToArray();
    }

    private sealed class CountingStream : AsyncStream
    {
        public int Writes { get; private set; }

        public override bool CanWrite => true;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Writes++;
            return default;
        }
    }
}
