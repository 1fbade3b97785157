using NixBuildFarm.Deciding.Journal;
using NixBuildFarm.History;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>Runs that are decided again from their journals.</summary>
public class JournalTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 100)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void The_events_of_a_journal_give_the_same_actions_again(int seed)
    {
        var run = new RandomRun(seed);
        run.Play();

        var replayed = ReplayedRun.Of(run.Journal);

        Assert.NotEmpty(replayed.Decided);
        Assert.Equal(replayed.Recorded, replayed.Decided);
    }
}
