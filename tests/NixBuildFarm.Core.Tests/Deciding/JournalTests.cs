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

    /// <summary>The journal of a run on real builders: all daemons of ruby were killed while it built.</summary>
    [Fact]
    public void A_run_whose_builder_lost_its_daemons_and_came_back_is_decided_as_it_was()
    {
        var replayed = ReplayedRun.Of(Lines("daemons-killed.jsonl"));

        Assert.Contains("disconnect ruby", replayed.Decided);
        Assert.Contains("say ruby is back.", replayed.Decided);
        Assert.Equal(
            ["leaf0", "leaf1", "leaf2", "leaf3", "leaf4", "leaf5", "leaf6", "root"],
            replayed.Results.Select(result => result.Name).Order());
        Assert.All(replayed.Results, result => Assert.Equal(NixBuildStatus.Built, result.Status));
        Assert.Equal(replayed.Recorded, replayed.Decided);
    }

    private static IEnumerable<string> Lines(string name)
    {
        using var reader = new StreamReader(typeof(JournalTests).Assembly.GetManifestResourceStream(name)!);
        while (reader.ReadLine() is { } line) yield return line;
    }
}
