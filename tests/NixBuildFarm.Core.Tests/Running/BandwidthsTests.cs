using NixBuildFarm.Running;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Running;

public class BandwidthsTests
{
    private static readonly FarmBuilder Ruby = new() { Name = "ruby", Systems = [new("x86_64-linux", 1)] };

    [Fact]
    public void A_builder_that_nothing_was_moved_to_or_from_is_taken_to_have_a_gigabit_network()
    {
        var ruby = new Bandwidths([Transfer("kana", toBuilder: true, 10)]).ApplyTo(Ruby);

        Assert.Equal((100e6, 100e6), (ruby.DownloadBandwidth, ruby.UploadBandwidth));
    }

    [Fact]
    public void Uploads_measure_what_a_builder_receives_and_downloads_what_it_sends()
    {
        var ruby = new Bandwidths([Transfer("ruby", toBuilder: true, 10), Transfer("ruby", toBuilder: false, 3)]).ApplyTo(Ruby);

        Assert.Equal((10e6, 3e6), (ruby.DownloadBandwidth, ruby.UploadBandwidth));
    }

    [Fact]
    public void One_transfer_that_was_disturbed_does_no_harm()
    {
        var ruby = new Bandwidths([.. new[] { 10, 11, 0.01, 9, 10 }.Select(speed => Transfer("ruby", toBuilder: true, speed))])
            .ApplyTo(Ruby);

        Assert.Equal(10e6, ruby.DownloadBandwidth);
    }

    [Fact]
    public void A_link_that_became_faster_is_believed_soon()
    {
        double[] slowThenFast = [.. Enumerable.Repeat(1.0, 20), .. Enumerable.Repeat(100.0, 5)];

        var ruby = new Bandwidths([.. slowThenFast.Select(speed => Transfer("ruby", toBuilder: true, speed))]).ApplyTo(Ruby);

        Assert.Equal(100e6, ruby.DownloadBandwidth);
    }

    [Fact]
    public void Figures_that_cannot_be_are_not_believed()
    {
        TransferObservation[] odd =
        [
            Transfer("ruby", toBuilder: true, 10) with { Seconds = 0 },
            Transfer("ruby", toBuilder: true, 10) with { Seconds = double.NaN },
            Transfer("ruby", toBuilder: true, 10) with { Bytes = -5 },
        ];

        Assert.Equal(100e6, new Bandwidths(odd).ApplyTo(Ruby).DownloadBandwidth);
    }

    [Fact]
    public void A_measurement_of_this_run_counts_at_once()
    {
        var bandwidths = new Bandwidths([]);

        bandwidths.Learn(Transfer("ruby", toBuilder: true, 10));

        Assert.Equal(10e6, bandwidths.ApplyTo(Ruby).DownloadBandwidth);
    }

    [Theory]
    [InlineData(1, 1, true)]
    [InlineData(100, 1, true)]
    [InlineData(100, 100, false)]
    [InlineData(10, 10, false)]
    public void Compressing_pays_where_either_direction_is_slow(double there, double back, bool isSlow)
    {
        var bandwidths = new Bandwidths([Transfer("ruby", toBuilder: true, there), Transfer("ruby", toBuilder: false, back)]);

        Assert.Equal(isSlow, bandwidths.IsSlow("ruby"));
        Assert.False(bandwidths.IsSlow("kana"));
    }

    [Fact]
    public void The_local_machine_has_no_link_to_itself() =>
        Assert.Equal(
            double.PositiveInfinity,
            new Bandwidths([Transfer("ruby", toBuilder: true, 10)]).ApplyTo(Ruby with { IsLocal = true }).DownloadBandwidth);

    private static TransferObservation Transfer(string builder, bool toBuilder, double megabytesPerSecond) =>
        new() { Builder = builder, ToBuilder = toBuilder, Bytes = (long)(megabytesPerSecond * 4e6), Seconds = 4 };
}
