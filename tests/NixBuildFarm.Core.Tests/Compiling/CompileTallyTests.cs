using NixBuildFarm.Compiling;
using NixBuildFarm.Observing;
using NixBuildFarm.Sharing;

namespace NixBuildFarm.Core.Tests.Compiling;

/// <summary>What was compiled where, of one build.</summary>
public class CompileTallyTests
{
    private static readonly DateTimeOffset Begun = new(2026, 11, 30, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_build_that_ends_before_all_its_shims_are_heard_of_has_all_its_compiles()
    {
        var tally = new CompileTally("home");
        var (heard, unheard) = (Stays(), Stays());
        foreach (var talk in (ShimTalk[])[heard, unheard])
        {
            tally.Ask();
            tally.BeginAtHome(talk, Begun);
        }

        tally.EndAtHome(heard, Begun.AddSeconds(2));
        tally.EndAllAtHome(Begun.AddSeconds(3));
        tally.EndAtHome(unheard, Begun.AddSeconds(60));

        var sum = tally.Sum();
        Assert.Equal((2, 2, 5.0), (sum.Count, sum.Stayed, sum.StayedSeconds));
        Assert.Equal((2, 5.0), (Assert.Single(sum.Builders).Count, sum.Builders[0].Seconds));
        Assert.Equal(new CompilesUnderWay(0, 1), tally.UnderWay);
    }

    private static ShimTalk Stays() => ShimTalk.Begin(
        new(1, FrameKind.Hello, new FieldWriter().Text("cc1"u8).Text("a.c"u8).Text("a precompiled header"u8).ToArray()));
}
