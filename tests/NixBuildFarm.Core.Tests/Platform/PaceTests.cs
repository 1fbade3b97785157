using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Core.Tests.Platform;

public class PaceTests
{
    private readonly FakeTimeProvider time = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_piece_waits_until_those_before_it_are_paid_for()
    {
        var pace = new Pace(100, burst: TimeSpan.Zero, time);

        Assert.False(await pace.WaitAsync(50, Cancellation));
        var second = pace.WaitAsync(50, Cancellation).AsTask();
        var third = pace.WaitAsync(50, Cancellation).AsTask();

        time.Advance(TimeSpan.FromSeconds(0.49));
        Assert.False(second.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.01));
        Assert.True(await second);
        Assert.False(third.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.5));
        Assert.True(await third);
    }

    [Fact]
    public async Task An_unused_rate_is_saved_up_for_the_burst_and_no_longer()
    {
        var pace = new Pace(100, burst: TimeSpan.FromSeconds(1), time);
        time.Advance(TimeSpan.FromHours(1));

        Assert.False(await pace.WaitAsync(100, Cancellation));
        Assert.False(await pace.WaitAsync(1, Cancellation));

        Assert.False(pace.WaitAsync(1, Cancellation).AsTask().IsCompleted);
    }

    [Fact]
    public async Task Pieces_that_take_less_than_a_tick_of_the_clock_add_up()
    {
        var pace = new Pace(1_000_000_000, burst: TimeSpan.Zero, time);

        for (var sent = 0; sent < 1_000_000; sent += 8) _ = pace.WaitAsync(8, Cancellation).AsTask();

        var next = pace.WaitAsync(1, Cancellation).AsTask();
        time.Advance(TimeSpan.FromSeconds(0.0009));
        Assert.False(next.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.0002));
        Assert.True(await next);
    }
}
