namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>Runs in which anything may fail, in any order: each theory plays fifty of them.</summary>
public class RandomRunTests
{
    private const int WorldsOfATheory = 50;

    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 40)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Every_job_ends_once_nothing_is_lost_and_every_run_ends(int seed)
    {
        for (var i = 0; i < WorldsOfATheory; i++) new RandomRun((seed * WorldsOfATheory) + i).Play();
    }
}
