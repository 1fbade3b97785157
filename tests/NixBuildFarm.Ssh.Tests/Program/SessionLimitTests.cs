using NixBuildFarm.Ssh.Program;

namespace NixBuildFarm.Ssh.Tests.Program;

public class SessionLimitTests
{
    private readonly SessionLimit sessions = new();

    [Fact]
    public void No_more_are_opened_than_there_were_before_the_one_that_was_refused()
    {
        Begin();
        Begin();
        var third = Begin();
        sessions.Open();
        sessions.Open();

        sessions.Refuse(third);

        Assert.False(sessions.TryBegin(out _));
    }

    [Fact]
    public void A_refusal_that_comes_before_the_answer_to_others_does_not_count_them_out()
    {
        Begin();
        var (second, third) = (Begin(), Begin());
        sessions.Refuse(third);
        sessions.Refuse(second);

        sessions.Open();
        Assert.False(sessions.TryBegin(out _));
        sessions.Close();

        Begin();
    }

    [Fact]
    public void A_refusal_while_commands_end_takes_nothing_from_what_the_server_has_opened_before()
    {
        Begin();
        Begin();
        sessions.Open();
        sessions.Open();
        sessions.Close();
        sessions.Close();

        sessions.Refuse(Begin());

        Begin();
        Begin();
    }

    [Fact]
    public void Each_that_is_closed_lets_one_more_be_tried()
    {
        Begin();
        sessions.Open();
        sessions.Refuse(Begin());
        sessions.Close();

        Begin();
        Begin();
        Assert.False(sessions.TryBegin(out _));
    }

    [Fact]
    public void What_fails_for_another_reason_sets_no_limit()
    {
        Begin();
        sessions.GiveUp();

        Begin();
        Begin();
    }

    private int Begin()
    {
        Assert.True(sessions.TryBegin(out var count));
        return count;
    }
}
