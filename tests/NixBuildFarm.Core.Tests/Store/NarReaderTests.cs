using System.Security.Cryptography;
using CsCheck;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Core.Tests.Store;

public class NarReaderTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_copy_is_byte_for_byte_and_its_digest_is_that_of_the_bytes() =>
        await NarTree.Any.SampleAsync(async tree =>
        {
            var nar = tree.Encode();
            using var copy = new MemoryStream();

            var digest = await NarReader.CopyAsync(new MemoryStream(nar), copy, Cancellation);

            Assert.Equal(nar, copy.ToArray());
            Assert.Equal(new NarDigest(new Sha256Hash(SHA256.HashData(nar)), nar.Length), digest);
        });

    [Fact]
    public async Task A_copy_reads_nothing_that_follows_the_NAR() =>
        await Gen.Select(NarTree.Any, Gen.Int[1, 50]).SampleAsync(async (tree, most) =>
        {
            var nar = tree.Encode();
            var source = new TrickleStream([.. nar, .. new byte[100]], most);

            await NarReader.CopyAsync(source, Stream.Null, Cancellation);

            Assert.Equal(nar.Length, source.Position);
        });

    [Fact]
    public async Task A_stream_that_ends_before_the_NAR_is_an_error_with_the_position() =>
        await Gen.Select(NarTree.Any, Gen.Double[0, 0.999]).SampleAsync(async (tree, share) =>
        {
            var nar = tree.Encode();
            var length = (int)(nar.Length * share);

            var error = await Assert.ThrowsAsync<NarException>(
                () => NarReader.CopyAsync(new MemoryStream(nar, 0, length), Stream.Null, Cancellation));

            Assert.Equal(NarException.Truncated, error.Id);
            Assert.Equal(length, error.Position);
            Assert.Contains($"after {length} bytes", error.Message);
        });

    [Fact]
    public async Task A_large_NAR_is_read_in_few_reads_and_written_in_large_pieces()
    {
        const int size = 10_000_000;
        var source = new TrickleStream(new NarTree.File(new byte[size]).Encode(), int.MaxValue);
        var destination = new CountingStream();

        await NarReader.CopyAsync(source, destination, Cancellation);

        Assert.InRange(source.Reads, 1, size / 100_000);
        Assert.InRange(destination.Writes, 1, size / 100_000);
        Assert.InRange(destination.LargestWrite, 1, 200_000); // whatever the NAR's size
    }

    [Fact]
    public async Task Many_small_files_are_written_in_large_pieces()
    {
        var files = Enumerable.Range(0, 10_000).Select(index => ($"{index:D5}", (NarTree)new NarTree.File(new byte[20])));
        var nar = new NarTree.Folder([.. files]).Encode();
        var destination = new CountingStream();

        await NarReader.CopyAsync(new MemoryStream(nar), destination, Cancellation);

        Assert.InRange(destination.Writes, 1, nar.Length / 100_000);
    }

    [Fact]
    public async Task A_copy_can_be_cancelled()
    {
        var pipe = new System.IO.Pipelines.Pipe();
        using var cancellation = new CancellationTokenSource();
        var copy = NarReader.CopyAsync(pipe.Reader.AsStream(), Stream.Null, cancellation.Token);

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => copy);
    }

    /// <summary>Gives at most so many bytes a read, and counts the reads.</summary>
    private sealed class TrickleStream(byte[] bytes, int most) : MemoryStream(bytes)
    {
        public int Reads { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Reads++;
            return base.ReadAsync(buffer[..Math.Min(most, buffer.Length)], cancellationToken);
        }
    }

    /// <summary>Keeps nothing but how it was written to.</summary>
    private sealed class CountingStream : MemoryStream
    {
        public int Writes { get; private set; }

        public int LargestWrite { get; private set; }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Writes++;
            LargestWrite = Math.Max(LargestWrite, buffer.Length);
            return ValueTask.CompletedTask;
        }
    }
}
