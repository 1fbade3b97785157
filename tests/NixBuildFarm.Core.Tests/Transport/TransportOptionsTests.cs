using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Transport;

public sealed class TransportOptionsTests
{
    [Fact]
    public void A_builder_that_has_vanished_without_a_word_is_noticed_within_30_seconds()
    {
        var limits = new TransportOptions();

        Assert.InRange(limits.SilenceTimeout, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30));
        Assert.InRange(limits.ConnectTimeout, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30));
    }
}
