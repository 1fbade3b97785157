namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>What is noted of an attempt.</summary>
public sealed class AttemptTests
{
    private readonly GivenWork farm = new("ruby");

    [Fact]
    public void No_build_ends_before_it_has_begun_however_late_its_beginning_is_heard_of()
    {
        var attempt = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]).Started[0];

        attempt.BuildBegun = DateTimeOffset.UnixEpoch.AddSeconds(10);
        attempt.BuildEnded = DateTimeOffset.UnixEpoch.AddSeconds(9.997);

        Assert.Equal(attempt.BuildBegun, attempt.BuildEnded);
    }
}
