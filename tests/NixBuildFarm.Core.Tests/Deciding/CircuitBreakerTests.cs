using NixBuildFarm.History;
using NixBuildFarm.Deciding;

namespace NixBuildFarm.Core.Tests.Deciding;

public class CircuitBreakerTests
{
    private readonly CircuitBreaker breaker = new();

    [Fact]
    public void It_opens_at_the_third_failure_in_a_row()
    {
        Assert.Equal([false, false, true], [breaker.Fail(), breaker.Fail(), breaker.Fail()]);
        Assert.Equal(1, breaker.Openings);
    }

    [Fact]
    public void After_its_first_opening_one_failure_opens_it_again()
    {
        breaker.Open();

        Assert.True(breaker.Fail());
        Assert.Equal(2, breaker.Openings);
    }

    [Fact]
    public void A_success_between_failures_starts_the_count_anew()
    {
        breaker.Fail();
        breaker.Fail();
        breaker.Close();

        Assert.Equal([false, false, true], [breaker.Fail(), breaker.Fail(), breaker.Fail()]);
    }

    [Fact]
    public void A_success_forgets_earlier_openings()
    {
        breaker.Open();
        breaker.Close();

        Assert.False(breaker.Fail());
        Assert.Equal(0, breaker.Openings);
    }

    [Fact]
    public void The_pause_doubles_with_each_opening_up_to_the_longest()
    {
        var pauses = Enumerable.Range(0, 40).Select(_ =>
        {
            breaker.Open();
            return breaker.Pause;
        }).ToArray();

        Assert.Equal([1, 2, 4, 8, 16], pauses.Take(5).Select(pause => pause.TotalSeconds));
        Assert.Equal(BuilderTrouble.LongestPause, pauses[^1]);
    }

    [Fact]
    public void Jobs_wait_for_a_builder_until_its_sixth_opening()
    {
        var hopes = Enumerable.Range(0, 6).Select(_ =>
        {
            breaker.Open();
            return breaker.HasHope;
        });

        Assert.Equal([true, true, true, true, true, false], hopes);
    }

    [Fact]
    public void Openings_of_earlier_runs_lengthen_the_pause_and_leave_the_hope()
    {
        var known = new CircuitBreaker(before: 7);
        known.Open();

        Assert.Equal((8, 128, true), (known.Openings, known.Pause.TotalSeconds, known.HasHope));
        Assert.True(known.Fail());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void Without_hope_no_job_waits(int before)
    {
        var known = new CircuitBreaker(before);
        known.GiveUpHope();

        Assert.Equal((false, before + CircuitBreaker.OpeningsWithHope + 1), (known.HasHope, known.Openings));
        known.GiveUpHope();
        Assert.Equal(before + CircuitBreaker.OpeningsWithHope + 1, known.Openings);
    }
}
