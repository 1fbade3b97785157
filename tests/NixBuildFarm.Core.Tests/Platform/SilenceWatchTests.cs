using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Core.Tests.Platform;

public class SilenceWatchTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);
    private readonly FakeTimeProvider time = new();

    [Fact]
    public void A_peer_that_says_nothing_for_the_limit_is_given_up()
    {
        using var watch = new SilenceWatch(Limit, time, CancellationToken.None);

        Pass(seconds: 9);
        Assert.False(watch.Token.IsCancellationRequested);
        Pass(seconds: 1);

        Assert.True(watch.HasRunOut && watch.Token.IsCancellationRequested);
    }

    [Fact]
    public void A_process_that_was_stopped_for_an_hour_blames_nobody()
    {
        using var watch = new SilenceWatch(Limit, time, CancellationToken.None);

        time.Advance(TimeSpan.FromHours(1));

        Assert.False(watch.HasRunOut);
    }

    [Fact]
    public void Received_bytes_start_the_wait_anew()
    {
        var comes = true;
        using var watch = new SilenceWatch(Limit, time, CancellationToken.None, () => comes);

        Pass(seconds: 100);
        Assert.False(watch.HasRunOut);
        comes = false;
        Pass(seconds: 10);

        Assert.True(watch.HasRunOut);
    }

    [Fact]
    public void While_nobody_waits_no_time_passes()
    {
        using var watch = new SilenceWatch(Limit, time, CancellationToken.None);

        watch.Hold();
        Pass(seconds: 100);
        Assert.False(watch.HasRunOut);
        watch.Resume();
        Pass(seconds: 10);

        Assert.True(watch.HasRunOut);
    }

    [Fact]
    public void Without_a_limit_the_wait_lasts_and_can_be_called_off()
    {
        using var called = new CancellationTokenSource();
        using var watch = new SilenceWatch(Timeout.InfiniteTimeSpan, time, called.Token);

        Pass(seconds: 1000);
        Assert.False(watch.Token.IsCancellationRequested);
        called.Cancel();

        Assert.True(watch.Token.IsCancellationRequested);
        Assert.False(watch.HasRunOut);
    }

    private void Pass(int seconds)
    {
        for (var i = 0; i < seconds; i++) time.Advance(TimeSpan.FromSeconds(1));
    }
}
