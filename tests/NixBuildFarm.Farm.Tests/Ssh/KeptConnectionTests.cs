using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Ssh;

/// <summary>Who builds again does not log in again; a machine that was away meanwhile is reached anew.</summary>
public sealed class KeptConnectionTests(TestFarm farm) : IDisposable
{
    /// <summary>Lists the processes of sshd that serve somebody. Since OpenSSH 9.8 that is a program of its own.</summary>
    private const string Sessions = "grep -slz '^sshd\\(-session\\)\\?: .*@' /proc/[0-9]*/cmdline";

    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public async Task The_next_build_of_a_session_does_not_log_in_again()
    {
        Build("first");
        await UntilIdleAsync();
        var before = await LoginsAsync();

        Build("second");

        Assert.Equal(before, await LoginsAsync());
    }

    [Fact]
    public async Task A_copy_goes_on_with_the_connections_of_a_build()
    {
        var output = Build("first").Output;
        await farm.Coordinator.ExecAsync("nix-store", "--delete", output);
        await UntilIdleAsync();
        var before = await LoginsAsync();

        // The NARs have a connection of their own.
        Assert.Empty(session.Run($"Copy-NixStorePath {output} -From ruby -NoCheckSignature").Errors);

        Assert.InRange(await LoginsAsync() - before, 0, 1);
    }

    [Fact]
    public async Task Removing_the_module_logs_out()
    {
        Build("first");
        Assert.NotEqual(0, await SessionsAsync());

        session.LogOut();

        await Until.TrueAsync(async () => await SessionsAsync() == 0, "every session ends");
    }

    [Fact]
    public async Task A_builder_that_was_off_between_two_builds_is_logged_in_to_again()
    {
        Build("first");
        await using (await farm.Ruby.InflictAsync(Fault.SshdKilled))
        {
            // It comes back at once.
        }

        Build("second");
    }

    private BuildLine Build(string name)
    {
        session.Write(name, $"""package "{name}" (sleep 0) [ ]""");
        return session.Run($"Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path {name}.nix").Succeeded()[name];
    }

    /// <summary>Waits until the programs of a run have ended there: on a busy machine that takes longer than the run waits.</summary>
    private Task UntilIdleAsync() => Until.TrueAsync(
        async () => await farm.Ruby.ExecAsync(
            "bash", "-c", Sessions + " | cut -d / -f 3 | paste -sd , | xargs -r pgrep --parent || true") == "",
        "the programs of the run have ended");

    private async Task<int> LoginsAsync() =>
        (await farm.Ruby.ExecAsync("cat", "/run/sshd.log")).Split('\n').Count(line => line.Contains("Accepted ", StringComparison.Ordinal));

    private async Task<int> SessionsAsync() =>
        int.Parse(await farm.Ruby.ExecAsync("bash", "-c", Sessions + " | wc -l"));
}
