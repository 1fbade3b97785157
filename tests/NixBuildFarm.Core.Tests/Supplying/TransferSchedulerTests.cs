using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Builders;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Core.Tests.Supplying;

public class TransferSchedulerTests
{
    private static readonly NixBuilder Ruby = Remote("ruby"), Kana = Remote("kana"), Local = NixBuilder.LocalStore;

    private readonly FakeTimeProvider time = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_limit_and_rivals_nothing_waits()
    {
        using var transfer = new TransferScheduler(time, maxUpload: null).Begin(Ruby, new(TransferPurpose.CopyBack));

        for (var i = 0; i < 1000; i++) await transfer.SendAsync(Stream.Null, new byte[100_000], Cancellation);

        Assert.False(transfer.WasHeldBack);
    }

    [Fact]
    public async Task All_uploads_together_stay_within_the_limit_and_share_it_fairly()
    {
        var transfers = new TransferScheduler(time, maxUpload: 1_000_000);
        await using var toRuby = new Sender(transfers.Begin(Ruby, new(TransferPurpose.Needed)));
        await using var toKana = new Sender(transfers.Begin(Kana, new(TransferPurpose.Needed)));

        Pass(TimeSpan.FromSeconds(10));

        // What is saved up before, and a piece of each that is paid for later.
        Assert.InRange(toRuby.Bytes + toKana.Bytes, 9_900_000, 10_000_000 + 250_000 + 2 * Sender.Piece);
        Assert.InRange(toRuby.Bytes - toKana.Bytes, -250_000 - 2 * Sender.Piece, 250_000 + 2 * Sender.Piece);
    }

    [Fact]
    public async Task What_leaves_beside_the_transfers_is_paid_for_too()
    {
        var transfers = new TransferScheduler(time, maxUpload: 1_000_000);
        await transfers.PayAsync(Ruby, 3_250_000, Cancellation);
        using var transfer = transfers.Begin(Kana, new(TransferPurpose.Needed));

        var sending = transfer.SendAsync(Stream.Null, new byte[1], Cancellation).AsTask();

        time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.False(sending.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.2));
        await sending;
        await transfers.PayAsync(Local, long.MaxValue, Cancellation);
    }

    [Fact]
    public async Task A_copy_back_is_no_upload()
    {
        using var transfer = new TransferScheduler(time, maxUpload: 1).Begin(Local, new(TransferPurpose.CopyBack));

        for (var i = 0; i < 100; i++) await transfer.SendAsync(Stream.Null, new byte[100_000], Cancellation);
    }

    [Fact]
    public async Task The_critical_path_goes_first_and_the_rest_at_a_trickle()
    {
        var transfers = new TransferScheduler(time, maxUpload: 1_000_000);
        await using var critical = new Sender(transfers.Begin(Ruby, new(TransferPurpose.Needed, Rank: 100)));
        await using var other = new Sender(transfers.Begin(Kana, new(TransferPurpose.Needed, Rank: 99)));

        Pass(TimeSpan.FromSeconds(20));

        Assert.InRange(critical.Bytes, 17_000_000, 20_250_000 + Sender.Piece);
        Assert.InRange(other.Bytes, Sender.Piece, 40 * Sender.Piece);

        await critical.DisposeAsync();
        var before = other.Bytes;
        Pass(TimeSpan.FromSeconds(10));

        Assert.InRange(other.Bytes - before, 9_000_000, 10_250_000 + Sender.Piece);
    }

    [Fact]
    public async Task Inputs_of_a_waiting_build_go_before_prefetches_and_those_before_copies_back()
    {
        var stuck = new Link();
        var transfers = new TransferScheduler(time, maxUpload: null);
        using var later = transfers.Begin(Ruby, new(TransferPurpose.Prefetch, Rank: 1000));
        using var home = transfers.Begin(Ruby, new(TransferPurpose.CopyBack, Rank: 2000));
        using var now = transfers.Begin(Ruby, new(TransferPurpose.Needed, Rank: 1));
        using var first = transfers.Begin(Ruby, new(TransferPurpose.Needed, Rank: 2));

        var sending = now.SendAsync(stuck, new byte[1], Cancellation).AsTask();
        var waiting = new[] { later, home }.Select(transfer => transfer.SendAsync(Stream.Null, new byte[1], Cancellation).AsTask())
            .ToArray();
        await first.SendAsync(Stream.Null, new byte[1], Cancellation);

        Assert.All(waiting, task => Assert.False(task.IsCompleted));
        stuck.Open();
        await sending;
        time.Advance(2 * TransferScheduler.LongestWait);
        await Task.WhenAll(waiting);
    }

    [Fact]
    public async Task Links_to_different_builders_do_not_wait_for_each_other()
    {
        var stuck = new Link();
        var transfers = new TransferScheduler(time, maxUpload: null);
        using var urgent = transfers.Begin(Ruby, new(TransferPurpose.Needed, 100));
        var sending = urgent.SendAsync(stuck, new byte[1], Cancellation);
        using var other = transfers.Begin(Kana, new(TransferPurpose.CopyBack));

        await other.SendAsync(Stream.Null, new byte[100_000], Cancellation);

        Assert.False(other.WasHeldBack);
        stuck.Open();
        await sending;
    }

    [Fact]
    public async Task A_transfer_that_an_urgent_one_waits_for_is_as_urgent()
    {
        var stuck = new Link();
        var transfers = new TransferScheduler(time, maxUpload: null);
        using var urgent = transfers.Begin(Ruby, new(TransferPurpose.Needed, 100));
        var sending = urgent.SendAsync(stuck, new byte[1], Cancellation);
        using var prefetch = transfers.Begin(Ruby, new(TransferPurpose.Prefetch, 1));

        prefetch.Raise(urgent.Urgency);
        await prefetch.SendAsync(Stream.Null, new byte[100_000], Cancellation);

        Assert.False(prefetch.WasHeldBack);
        stuck.Open();
        await sending;
    }

    private void Pass(TimeSpan duration)
    {
        var step = TimeSpan.FromMilliseconds(5);
        for (var passed = TimeSpan.Zero; passed < duration; passed += step)
        {
            time.Advance(step);
        }
    }

    private static NixBuilder Remote(string name) =>
        new() { Name = name, HostName = name, Uri = name, Scheme = StoreScheme.SshNg, Systems = ["x86_64-linux"], Source = "a test" };

    /// <summary>Sends without end as fast as it may.</summary>
    private sealed class Sender : IAsyncDisposable
    {
        public const int Piece = 32 << 10;
        private readonly CancellationTokenSource stop = new();
        private readonly Transfer transfer;
        private readonly Task sending;

        public Sender(Transfer transfer)
        {
            this.transfer = transfer;
            // Without a context that would postpone it, what waits for a timer goes on within the timer.
            var context = SynchronizationContext.Current;
            SynchronizationContext.SetSynchronizationContext(null);
            sending = SendAsync();
            SynchronizationContext.SetSynchronizationContext(context);
        }

        public long Bytes { get; private set; }

        public async ValueTask DisposeAsync()
        {
            if (stop.IsCancellationRequested) return;
            await stop.CancelAsync();
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            transfer.Dispose();
        }

        private async Task SendAsync()
        {
            while (true)
            {
                await transfer.SendAsync(Stream.Null, new byte[Piece], stop.Token);
                Bytes += Piece;
            }
        }
    }

    /// <summary>A link that is stuck until it is told otherwise.</summary>
    private sealed class Link : AsyncStream
    {
        private readonly TaskCompletionSource opened = new();

        public void Open() => opened.SetResult();

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            await opened.Task;
    }
}
