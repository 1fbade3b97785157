using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Platform;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Core.Tests.Supplying;

public class LinkMeterTests
{
    private readonly FakeTimeProvider time = new();
    private readonly List<TransferObservation> seen = [];
    private readonly LinkMeter meter;

    public LinkMeterTests() => meter = new(new RunClock(time), seen.Add);

    [Fact]
    public void A_transfer_is_measured_from_its_beginning_to_its_end()
    {
        using (var transfer = meter.Begin("ruby", toBuilder: true))
        {
            Pass(2);
            transfer.Complete(50_000_000);
        }

        var only = Assert.Single(seen);
        Assert.Equal(("ruby", true, 50_000_000L, 2.0), (only.Builder, only.ToBuilder, only.Bytes, only.Seconds));
    }

    [Fact]
    public void Transfers_that_share_a_link_are_measured_together()
    {
        var first = meter.Begin("ruby", toBuilder: true);
        Pass(1);
        var second = meter.Begin("ruby", toBuilder: true);
        Pass(1);
        End(first, 10_000_000);
        Assert.Empty(seen);
        Pass(2);
        End(second, 30_000_000);

        Assert.Equal((40_000_000L, 4.0), (Assert.Single(seen).Bytes, seen[0].Seconds));
    }

    [Fact]
    public void Links_and_directions_are_measured_apart()
    {
        var (up, down, other) = (
            meter.Begin("ruby", toBuilder: true), meter.Begin("ruby", toBuilder: false), meter.Begin("kana", toBuilder: true));
        foreach (var transfer in new[] { up, down, other })
        {
            Pass(1);
            End(transfer, 10_000_000);
        }

        Assert.Equal(
            [("ruby", true, 1.0), ("ruby", false, 2.0), ("kana", true, 3.0)], seen.Select(t => (t.Builder, t.ToBuilder, t.Seconds)));
    }

    [Fact]
    public void Small_transfers_tell_nothing_unless_there_are_many_at_once()
    {
        End(meter.Begin("ruby", toBuilder: true), LinkMeter.LeastBytes - 1);
        Assert.Empty(seen);

        var (first, second) = (meter.Begin("ruby", toBuilder: true), meter.Begin("ruby", toBuilder: true));
        Pass(1);
        End(first, LinkMeter.LeastBytes / 2);
        End(second, LinkMeter.LeastBytes / 2);
        Assert.Single(seen);
    }

    [Fact]
    public void A_transfer_that_fails_spoils_what_is_measured_with_it_and_nothing_else()
    {
        var (failing, whole) = (meter.Begin("ruby", toBuilder: true), meter.Begin("ruby", toBuilder: true));
        Pass(30);
        failing.Dispose();
        End(whole, 50_000_000);
        Assert.Empty(seen);

        var next = meter.Begin("ruby", toBuilder: true);
        Pass(1);
        End(next, 50_000_000);
        Assert.Equal(1.0, Assert.Single(seen).Seconds);
    }

    private void Pass(int seconds) => time.Advance(TimeSpan.FromSeconds(seconds));

    private static void End(LinkMeter.Measurement transfer, long bytes)
    {
        transfer.Complete(bytes);
        transfer.Dispose();
    }
}
