using NixBuildFarm.Platform;

namespace NixBuildFarm.Core.Tests.Platform;

/// <summary>
/// Nix's own programs ask the daemon where there is one: root's would wait for a lock of the store that our connection to the daemon holds.
/// </summary>
public class NixCommandTests
{
    [Theory]
    [InlineData(null, true, true)]
    [InlineData("", true, true)]
    [InlineData("local", true, false)] // the user's own word
    [InlineData(null, false, false)] // whoever owns the store works without a daemon
    public void A_program_asks_the_daemon_where_there_is_one_and_the_user_has_not_said_otherwise(string? remote, bool isThere, bool asks)
    {
        var socket = Path.GetTempFileName();
        if (!isThere) File.Delete(socket);

        Assert.Equal(asks, NixCommand.GoesThroughDaemon(remote, socket));

        File.Delete(socket);
    }
}
