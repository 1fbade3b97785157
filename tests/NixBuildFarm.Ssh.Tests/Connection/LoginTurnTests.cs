using NixBuildFarm.Ssh.Connection;

namespace NixBuildFarm.Ssh.Tests.Connection;

public class LoginTurnTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_login_begins_when_one_of_those_before_it_has_ended()
    {
        var turns = new List<LoginTurn>();
        for (var i = 0; i < LoginTurn.AtATime; i++) turns.Add(await LoginTurn.TakeAsync(Cancellation));
        var next = LoginTurn.TakeAsync(Cancellation);

        turns[0].Dispose();

        turns.Add(await next.WaitAsync(Until.Limit, Cancellation));
        foreach (var turn in turns) turn.Dispose();
    }

    [Fact]
    public async Task A_login_that_waits_for_its_server_gives_its_turn_to_the_next()
    {
        var turns = new List<LoginTurn>();

        for (var i = 0; i <= LoginTurn.AtATime; i++)
        {
            turns.Add(await LoginTurn.TakeAsync(Cancellation).WaitAsync(Until.Limit, Cancellation));
        }

        // More than there are turns were had, and nobody has given one back.
        Assert.Equal(LoginTurn.AtATime + 1, turns.Count);
        foreach (var turn in turns) turn.Dispose();
    }
}
