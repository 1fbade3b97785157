using CsCheck;
using NixBuildFarm.Ssh.Channels;

namespace NixBuildFarm.Ssh.Tests;

public class ReceiveBufferTests
{
    private const int Limit = 100;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Whatever_is_written_is_read_once_and_in_order() =>
        Gen.Select(Gen.Int[1, 100_000].Array[1, 20], Gen.Int[1, 70_000]).Sample((writes, readSize) =>
        {
            var written = new byte[writes.Sum()];
            for (var i = 0; i < written.Length; i++) written[i] = (byte)i;
            var buffer = Buffer(limit: int.MaxValue);
            var rest = written.AsSpan();
            foreach (var size in writes)
            {
                buffer.Write(rest[..size].ToArray());
                rest = rest[size..];
            }
            buffer.End();

            var total = 0;
            var chunk = new byte[readSize];
            while (buffer.ReadAsync(chunk, Cancellation).AsTask().Result is > 0 and var count)
            {
                Assert.True(chunk.AsSpan(0, count).SequenceEqual(written.AsSpan(total, count)), $"Wrong bytes at {total}.");
                total += count;
            }
            Assert.Equal(written.Length, total);
        });

    [Fact]
    public async Task A_reader_waits_for_what_arrives()
    {
        var buffer = Buffer();
        var reading = buffer.ReadAsync(new byte[10], Cancellation).AsTask();
        Assert.False(reading.IsCompleted);

        buffer.Write([1, 2, 3]);

        Assert.Equal(3, await reading);
    }

    [Fact]
    public async Task A_reader_sees_the_end_after_everything_else()
    {
        var buffer = Buffer();
        buffer.Write([1]);
        buffer.End();

        Assert.Equal(1, await buffer.ReadAsync(new byte[10], Cancellation));
        Assert.Equal(0, await buffer.ReadAsync(new byte[10], Cancellation));
    }

    [Fact]
    public async Task A_waiting_reader_sees_the_end()
    {
        var buffer = Buffer();
        var reading = buffer.ReadAsync(new byte[10], Cancellation).AsTask();

        buffer.End();

        Assert.Equal(0, await reading);
    }

    [Fact]
    public async Task A_cancelled_read_loses_nothing()
    {
        var buffer = Buffer();
        using var cancel = new CancellationTokenSource();
        var reading = buffer.ReadAsync(new byte[10], cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);

        buffer.Write([7]);

        var read = new byte[10];
        Assert.Equal(1, await buffer.ReadAsync(read, Cancellation));
        Assert.Equal(7, read[0]);
    }

    [Fact]
    public async Task A_writer_waits_while_more_than_the_limit_is_unread()
    {
        var buffer = Buffer();
        buffer.Write(new byte[Limit + 1]);
        var writing = Task.Run(() => buffer.Write([1]), Cancellation);
        await Task.Delay(100, Cancellation);
        Assert.False(writing.IsCompleted);

        Assert.Equal(50, await buffer.ReadAsync(new byte[50], Cancellation));

        await writing.WaitAsync(Until.Limit, Cancellation);
        Assert.Equal(52, await buffer.ReadAsync(new byte[100], Cancellation));
    }

    [Fact]
    public async Task A_writer_waits_for_ever_where_nobody_else_does()
    {
        var buffer = Buffer(patience: TimeSpan.FromMilliseconds(10));
        buffer.Write(new byte[Limit + 1]);
        var writing = Task.Run(() => buffer.Write([1]), Cancellation);
        await Task.Delay(200, Cancellation);

        Assert.False(writing.IsCompleted);
        Assert.Equal(Limit + 1, await buffer.ReadAsync(new byte[200], Cancellation));
        await writing.WaitAsync(Until.Limit, Cancellation);
    }

    [Fact]
    public async Task A_reader_that_stands_still_while_others_wait_is_given_up_and_told()
    {
        var buffer = Buffer(patience: TimeSpan.FromMilliseconds(10), othersWait: true);
        buffer.Write(new byte[Limit + 1]);

        buffer.Write([1]); // returns, so that the others go on

        await Assert.ThrowsAsync<IOException>(() => buffer.ReadAsync(new byte[10], Cancellation).AsTask());
    }

    [Fact]
    public async Task Closing_frees_the_writer_and_ends_the_reader()
    {
        var buffer = Buffer();
        buffer.Write(new byte[Limit + 1]);
        var writing = Task.Run(() => buffer.Write([1]), Cancellation);

        buffer.Close();

        await writing.WaitAsync(Until.Limit, Cancellation);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => buffer.ReadAsync(new byte[10], Cancellation).AsTask());
    }

    private static ReceiveBuffer Buffer(int limit = Limit, TimeSpan? patience = null, bool othersWait = false) =>
        new(limit, patience ?? TimeSpan.FromHours(1), () => othersWait);
}
