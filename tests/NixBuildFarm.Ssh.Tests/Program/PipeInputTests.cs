using System.Security.Cryptography;
using NixBuildFarm.Ssh.Program;

namespace NixBuildFarm.Ssh.Tests.Program;

/// <summary>What is written to a program that takes it slowly, or not at all.</summary>
public sealed class PipeInputTests : IDisposable
{
    private readonly GatedStream program = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => program.Open();

    [Fact]
    public async Task All_bytes_arrive_in_their_order_and_small_ones_together()
    {
        var input = new PipeInput(program);
        var sent = RandomNumberGenerator.GetBytes(300_000);

        await input.WriteAsync(sent.AsMemory(0, 1), Cancellation);
        foreach (var part in sent.Skip(1).Chunk(1000)) await input.WriteAsync(part, Cancellation);
        program.Open();
        await input.Written.WaitAsync(Cancellation);

        Assert.Equal(sent, program.Taken);
        Assert.InRange(program.Writes, 1, 2);
    }

    [Fact]
    public async Task Who_writes_faster_than_the_program_takes_waits_with_a_bounded_part_in_memory()
    {
        var input = new PipeInput(program);
        var sent = RandomNumberGenerator.GetBytes(5_000_000);
        var gone = 0;

        var writing = Task.Run(async () =>
        {
            for (; gone < sent.Length; gone += 100_000) await input.WriteAsync(sent.AsMemory(gone, 100_000), Cancellation);
        });
        await program.Asked.WaitAsync(Cancellation);
        await Until.TrueAsync(() => Volatile.Read(ref gone) >= 500_000, "a piece is gathered");
        await Task.Delay(50, Cancellation);
        Assert.InRange(Volatile.Read(ref gone), 500_000, 1_200_000);

        program.Open();
        await writing;
        await input.Written.WaitAsync(Cancellation);
        Assert.Equal(sent, program.Taken);
    }

    [Fact]
    public async Task Who_waits_for_room_learns_that_the_program_has_ended_and_so_does_who_comes_later()
    {
        var input = new PipeInput(program);

        var writing = input.WriteAsync(new byte[3_000_000], Cancellation).AsTask();
        await program.Asked.WaitAsync(Cancellation);
        program.Break();

        Assert.Equal("broken pipe", (await Assert.ThrowsAsync<IOException>(() => writing)).Message);
        await Assert.ThrowsAsync<IOException>(() => input.WriteAsync(new byte[1], Cancellation).AsTask());
        await input.Written.WaitAsync(Cancellation);
    }

    [Fact]
    public async Task Who_waits_for_room_may_give_up()
    {
        var input = new PipeInput(program);
        using var patience = new CancellationTokenSource();

        var writing = input.WriteAsync(new byte[3_000_000], patience.Token).AsTask();
        await program.Asked.WaitAsync(Cancellation);
        await patience.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing);
    }

    /// <summary>Takes nothing until it is opened.</summary>
    private sealed class GatedStream : MemoryStream
    {
        private readonly ManualResetEventSlim gate = new();
        private readonly TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool isBroken;

        /// <summary>Ends when the first write has begun.</summary>
        public Task Asked => asked.Task;

        public int Writes { get; private set; }

        public byte[] Taken => ToArray();

        public void Open() => gate.Set();

        public void Break()
        {
            isBroken = true;
            gate.Set();
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            asked.TrySetResult();
            gate.Wait();
            if (isBroken) throw new IOException("broken pipe");
            Writes++;
            base.Write(buffer.ToArray(), 0, buffer.Length);
        }
    }
}
