using CsCheck;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Protocol.Wire;

public class WireReaderTests
{
    private const int Limit = 1000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_number_is_eight_bytes_with_the_lowest_first() =>
        Assert.Equal(0x0123456789ABCDEFUL, await From("EFCDAB8967452301").ReadUInt64Async(Cancellation));

    [Fact]
    public async Task A_number_that_does_not_fit_is_refused()
    {
        await Assert.ThrowsAsync<WireException>(async () => await From("FFFFFFFFFFFFFFFF").ReadInt64Async(Cancellation));
        await Assert.ThrowsAsync<WireException>(async () => await From("0000008000000000").ReadInt32Async(Cancellation));
    }

    [Theory]
    [InlineData("0000000000000000", false)]
    [InlineData("0100000000000000", true)]
    [InlineData("0200000000000000", true)]
    public async Task Any_number_but_zero_is_true(string bytes, bool value) =>
        Assert.Equal(value, await From(bytes).ReadBoolAsync(Cancellation));

    [Theory]
    [InlineData("0000000000000000", "")]
    [InlineData("0100000000000000" + "6100000000000000", "a")]
    [InlineData("0800000000000000" + "3132333435363738", "12345678")]
    [InlineData("0900000000000000" + "3132333435363738" + "3900000000000000", "123456789")]
    public async Task A_text_is_its_length_its_bytes_and_zeros(string bytes, string text)
    {
        var reader = From(bytes);

        Assert.Equal(text, await reader.ReadStringAsync(Limit, Cancellation));
        Assert.Equal(0, await reader.ReadRawAsync(new byte[1], Cancellation));
    }

    [Fact]
    public async Task Padding_that_is_not_zero_is_refused()
    {
        var e = await Assert.ThrowsAsync<WireException>(
            async () => await From("0100000000000000" + "6100000000000001").ReadStringAsync(Limit, Cancellation));

        Assert.False(e.IsEndOfStream);
        Assert.Contains("padding", e.Message);
    }

    [Fact]
    public async Task Padding_of_a_text_longer_than_the_buffer_is_checked_too()
    {
        var bytes = ProtocolBytes.Of(new byte[100_001]);
        bytes[^1] = 1;

        var e = await Assert.ThrowsAsync<WireException>(async () => await From(bytes).ReadStringAsync(1 << 20, Cancellation));

        Assert.Contains("padding", e.Message);
    }

    [Fact]
    public async Task A_text_longer_than_allowed_is_refused_before_it_is_read()
    {
        var e = await Assert.ThrowsAsync<WireException>(async () => await From("E903000000000000").ReadStringAsync(Limit, Cancellation));

        Assert.Contains("1001 bytes", e.Message);
    }

    [Theory]
    [InlineData("FFFFFFFFFFFFFFFF")]
    [InlineData("0100000100000000")]
    public async Task A_list_that_no_store_could_fill_is_refused(string count) =>
        await Assert.ThrowsAsync<WireException>(async () => await From(count).ReadStorePathsAsync(Cancellation));

    [Theory]
    [InlineData("", "missing")]
    [InlineData("/etc/passwd", "“/etc/passwd” is not a store path")]
    [InlineData("\x1b[2J", "“�[2J” is not a store path")]
    public async Task A_malformed_store_path_is_refused_and_shown_without_terminal_control(string text, string message)
    {
        var e = await Assert.ThrowsAsync<WireException>(async () => await From(ProtocolBytes.Of(text)).ReadStorePathAsync(Cancellation));

        Assert.Contains(message, e.Message);
    }

    [Fact]
    public async Task An_announced_length_is_not_allocated_before_its_bytes_come()
    {
        var announced = ProtocolBytes.Concat(ProtocolBytes.Of(WireLimits.Text), new byte[16]);
        var list = ProtocolBytes.Of(WireLimits.Items);
        var before = GC.GetAllocatedBytesForCurrentThread();

        await Assert.ThrowsAsync<WireException>(async () => await From(announced).ReadStringAsync(WireLimits.Text, Cancellation));
        await Assert.ThrowsAsync<WireException>(async () => await From(list).ReadStorePathsAsync(Cancellation));

        // A memory stream completes at once, so all of it happened on this thread.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public async Task No_mixture_of_lists_and_texts_makes_a_message_that_fills_the_memory()
    {
        // An empty text takes 8 bytes on the wire, and far more in memory.
        var reader = new WireReader(new EndlessStream(ProtocolBytes.Of(WireLimits.Items), 0));
        var before = GC.GetAllocatedBytesForCurrentThread();

        await Assert.ThrowsAsync<WireException>(async () => await reader.ReadStringsAsync(Limit, Cancellation));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4L * WireLimits.Message);
        reader.BeginMessage();
        Assert.Equal("", await reader.ReadStringAsync(Limit, Cancellation));
    }

    [Fact]
    public async Task A_text_for_people_may_be_long_but_not_for_ever() =>
        await Assert.ThrowsAsync<WireException>(async () => await From(ProtocolBytes.Of(1L << 60)).ReadBeginningAsync(Cancellation));

    [Fact]
    public Task A_text_for_people_is_read_to_its_end_however_the_bytes_arrive() =>
        Gen.Select(Gen.Int[WireLimits.Shown - 10, WireLimits.Shown + 100], Gen.Int[1, 70_000]).SampleAsync(
            async (length, piece) =>
            {
                var reader = new WireReader(
                    new PiecewiseStream(ProtocolBytes.Of(new string('x', length), "end"), piece), bufferSize: 1 + Math.Max(64, piece));

                Assert.StartsWith(new string('x', Math.Min(length, WireLimits.Shown)), await reader.ReadBeginningAsync(Cancellation));
                Assert.Equal("end", await reader.ReadStringAsync(Limit, Cancellation));
            },
            iter: 30);

    [Fact]
    public async Task Plain_bytes_follow_where_decoding_stopped()
    {
        var reader = From(ProtocolBytes.Concat(ProtocolBytes.Of("a"), [1, 2, 3]));
        await reader.ReadStringAsync(Limit, Cancellation);
        var bytes = new byte[10];

        Assert.Equal(3, await reader.ReadRawAsync(bytes, Cancellation));
        Assert.Equal([1, 2, 3], bytes[..3]);
    }

    [Fact]
    public async Task A_number_that_is_peeked_at_stays()
    {
        var reader = From(ProtocolBytes.Of(1, 2, 3));

        Assert.Equal(1UL, await reader.PeekUInt64Async(0, Cancellation));
        Assert.Equal(2UL, await reader.PeekUInt64Async(8, Cancellation));
        Assert.Equal(1UL, await reader.ReadUInt64Async(Cancellation));
        reader.Skip(8);
        Assert.Equal(3UL, await reader.ReadUInt64Async(Cancellation));
    }

    [Fact]
    public Task Every_text_comes_back_however_the_bytes_arrive() =>
        Gen.Select(Gen.Byte.Array[0, 300].Array[0, 20], Gen.Int[1, 50]).SampleAsync(async (texts, piece) =>
        {
            var writer = new WireWriter();
            foreach (var text in texts) writer.WriteBytes(text);
            var reader = new WireReader(new PiecewiseStream(writer.Written.ToArray(), piece));

            foreach (var text in texts) Assert.Equal(text, NixText.GetBytes(await reader.ReadStringAsync(Limit, Cancellation)));
        });

    [Fact]
    public Task A_text_longer_than_the_buffer_comes_back() =>
        Gen.Select(Gen.Int[65_000, 200_000], Gen.Int[1000, 70_000]).SampleAsync(
            async (length, piece) =>
            {
                var text = new string('x', length);
                var reader = new WireReader(new PiecewiseStream(ProtocolBytes.Of(text, "end"), piece));

                Assert.Equal(text, await reader.ReadStringAsync(1 << 20, Cancellation));
                Assert.Equal("end", await reader.ReadStringAsync(Limit, Cancellation));
            },
            iter: 50);

    [Fact]
    public Task A_text_that_is_cut_short_is_an_early_end() =>
        Gen.Select(Gen.Byte.Array[0, 100], Gen.Double[0, 1]).SampleAsync(async (text, where) =>
        {
            var bytes = ProtocolBytes.Of(text);
            var cut = bytes[..(int)(where * bytes.Length)];
            if (cut.Length == bytes.Length) return;

            var e = await Assert.ThrowsAsync<WireException>(async () => await From(cut).ReadStringAsync(Limit, Cancellation));

            Assert.True(e.IsEndOfStream);
        });

    private static WireReader From(string hex) => From(Convert.FromHexString(hex));

    private static WireReader From(byte[] bytes) => new(new MemoryStream(bytes));
}
