using CsCheck;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Core.Tests.Protocol.Wire;

public class FrameStreamTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_body_is_frames_and_an_empty_frame_at_its_end() =>
        Assert.Equal(
            "0300000000000000" + "010203" + "0000000000000000",
            Convert.ToHexString(await FramedAsync([1], [2, 3])));

    [Fact]
    public async Task An_empty_body_is_only_the_end() => Assert.Equal("0000000000000000", Convert.ToHexString(await FramedAsync()));

    [Fact]
    public async Task A_body_that_is_not_completed_has_no_end()
    {
        using var destination = new MemoryStream();
        await using (var frames = new FrameStream(destination, Cancellation))
        {
            await frames.WriteAsync(new byte[FrameStream.FrameSize + 1], Cancellation);
        }

        Assert.Equal(sizeof(ulong) + FrameStream.FrameSize, destination.Length);
    }

    [Fact]
    public async Task Nothing_can_be_written_after_the_end()
    {
        await using var frames = new FrameStream(Stream.Null, Cancellation);
        await frames.CompleteAsync(Cancellation);

        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await frames.WriteAsync(new byte[1], Cancellation));
    }

    [Fact]
    public Task Any_writes_come_back_as_one_body() =>
        Gen.Int[0, 150_000].Array[0, 5].SampleAsync(
            async lengths =>
            {
                var writes = lengths.Select((length, i) => Enumerable.Repeat((byte)i, length).ToArray()).ToArray();
                var body = new FrameReader(new WireReader(new MemoryStream(await FramedAsync(writes))), () => Task.CompletedTask);
                using var content = new MemoryStream();
                await body.CopyToAsync(content, Cancellation);

                Assert.True(body.HasEnded);
                Assert.Equal(writes.SelectMany(w => w), content.ToArray());
            },
            iter: 30);

    private static async Task<byte[]> FramedAsync(params byte[][] writes)
    {
        using var destination = new MemoryStream();
        await using var frames = new FrameStream(destination, Cancellation);
        foreach (var bytes in writes) await frames.WriteAsync(bytes, Cancellation);
        await frames.CompleteAsync(Cancellation);
        return destination.ToArray();
    }
}
