using NixBuildFarm.Deciding;
using NixBuildFarm.Deciding.Journal;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>What a run keeps of its builds: for its results, and for later runs.</summary>
public sealed class LearningTests
{
    private readonly GivenWork farm = new("ruby", "kana");

    [Fact]
    public void The_memory_and_the_processor_time_of_a_build_are_in_its_result_and_are_kept()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        run.Now = 8;

        var actions = run.Succeed(
            Assert.Single(run.Started), outcome => outcome with { PeakMemory = 3_000_000_000, ProcessorTime = TimeSpan.FromSeconds(20.5) });
        run.ComeHome(Assert.Single(actions.OfType<RunAction.BringHome>()).Copy);

        var (result, kept) = (Assert.Single(run.Results), Assert.Single(run.Kept));
        Assert.Equal((3_000_000_000, TimeSpan.FromSeconds(20.5)), (result.PeakMemory, result.ProcessorTime));
        Assert.Equal((3_000_000_000, 20.5), (kept.PeakMemory, kept.ProcessorSeconds));
    }

    [Fact]
    public void What_nobody_saw_is_not_made_up()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);

        run.Succeed(Assert.Single(run.Started));

        Assert.Equal((null, null), (Assert.Single(run.Kept).PeakMemory, run.Kept[0].ProcessorSeconds));
    }

    [Theory]
    [InlineData(5_000_000_000L)]
    [InlineData(null)]
    public void A_build_that_is_killed_for_its_memory_is_expected_to_take_more_next_time(long? peak)
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby", "kana"]);
        var attempt = Assert.Single(run.Started);
        var before = run.EstimateOf(attempt.Job).MemoryNeed;

        Kill(run, attempt, peak);

        var kept = Assert.Single(run.Kept);
        Assert.True(kept.WasKilled);
        Assert.Equal(peak ?? before, kept.PeakMemory);
        Assert.True(run.EstimateOf(attempt.Job).Memory > Math.Max(before, peak ?? 0));
    }

    [Fact]
    public void The_journal_has_the_memory_of_builds_that_were_killed_and_of_those_that_ended_well()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby", "kana"]);
        Kill(run, Assert.Single(run.Started), 5_000_000_000);
        run.Succeed(run.Started[^1], outcome => outcome with { PeakMemory = 6_000_000_000, ProcessorTime = TimeSpan.FromSeconds(3) });

        var replayed = ReplayedRun.Of(run.Journal);

        Assert.Equal(replayed.Recorded, replayed.Decided);
        Assert.Contains(replayed.Decided, line => line.StartsWith("learn top takes more than 5000000000 bytes", StringComparison.Ordinal));
    }

    private static void Kill(DecidedRun run, Attempt attempt, long? peak) =>
        run.End(attempt, BuildStatus.PermanentFailure, outcome => outcome with
        {
            Result = outcome.Result with { ErrorMessage = "builder failed due to signal 9 (Killed)" },
            PeakMemory = peak,
        });
}
