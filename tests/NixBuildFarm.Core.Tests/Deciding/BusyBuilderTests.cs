using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>What a run decides when a builder that is there does not answer an attempt in time.</summary>
public sealed class BusyBuilderTests
{
    private readonly GivenWork farm = new("ruby", "kana");

    [Theory]
    [InlineData("ruby", "ruby")]
    [InlineData("ruby kana", "kana")]
    public void A_builder_that_is_too_busy_to_answer_gets_the_job_again_where_there_is_no_other(string builders, string next)
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), builders.Split(' '));
        var first = Assert.Single(run.Started);
        Assert.Equal("ruby", first.On.Name);

        IsTooBusy(run, first);

        Assert.Empty(run.Results);
        Assert.Equal(next, run.Started[1].On.Name);
    }

    [Fact]
    public void A_job_whose_only_builder_never_answers_is_given_up_after_as_many_tries_as_it_has()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);

        for (var tries = 1; tries <= 3; tries++)
        {
            Assert.Equal(tries, run.Started.Count);
            IsTooBusy(run, run.Started[^1]);
        }

        Assert.Contains("Given up after 3 tries", Assert.Single(run.Results).Error);
        Assert.True(run.Run.IsOver);
    }

    /// <summary>A builder answers, but not in time for an attempt.</summary>
    private static void IsTooBusy(DecidedRun run, Attempt attempt)
    {
        var error = new BuilderException(attempt.On.Name, BuilderFailure.Unreachable, "It did not greet in time.");
        var failed = new RunEvent.AttemptFailed(attempt, error);
        run.Apply(failed);
        run.Apply(new RunEvent.BuilderAnswered(attempt.On, error, Answers: true, failed));
    }
}
