using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests;

/// <summary>Each fault of the farm does what it says, and can be undone.</summary>
public sealed class FaultTests(TestFarm farm) : IAsyncLifetime
{
    private AddedHost host = null!;

    public async ValueTask InitializeAsync() => host = await farm.AddAsync("garnet", "--unlisted", "--size", "64m");

    public ValueTask DisposeAsync() => host.DisposeAsync();

    public static TheoryData<Fault, string> LoginFails => new()
    {
        { Fault.SshdStopped, "Connection refused" },
        { Fault.SshdKilled, "Connection refused" },
        { Fault.LinkDown, "No route to host" },
        { Fault.Blackhole, "Connection timed out" },
        { Fault.Frozen, "Connection timed out during banner exchange" },
        { Fault.HostKeyChanged, "Host key verification failed" },
    };

    [Theory]
    [MemberData(nameof(LoginFails), DisableDiscoveryEnumeration = true)]
    public async Task A_login_fails_as_the_fault_says_and_works_again_when_it_is_undone(Fault fault, string message)
    {
        await using (await host.InflictAsync(fault))
        {
            var login = await SshAsync("true");
            Assert.Equal(255, login.ExitCode);
            Assert.Contains(message, login.Error);
        }
        var again = await SshAsync("true");
        Assert.True(again.Succeeded, again.ToString());
    }

    [Fact]
    public async Task A_connection_outlives_the_end_of_the_listener() =>
        Assert.Equal("survived\n", await AnswerOfASessionDuring(Fault.SshdStopped));

    [Fact]
    public async Task No_connection_outlives_the_end_of_every_sshd() =>
        Assert.Equal("", await AnswerOfASessionDuring(Fault.SshdKilled));

    [Fact]
    public async Task Without_its_daemon_a_builder_has_no_store_for_ordinary_users()
    {
        await using (await host.InflictAsync(Fault.DaemonKilled))
        {
            Assert.Contains("Connection refused", (await SshAsync("nix store ping --store daemon")).Error);
        }
        var ping = await SshAsync("nix store ping --store daemon");
        Assert.True(ping.Succeeded, ping.ToString());
    }

    [Fact]
    public async Task A_full_store_takes_nothing_more_until_it_is_emptied()
    {
        await host.ExecAsync("bash", "-c", "head -c 1000000 /dev/zero > /tmp/megabyte");
        await using (await host.InflictAsync(Fault.StoreFull))
        {
            var error = await Assert.ThrowsAsync<InvalidOperationException>(() => host.ExecAsync("nix-store", "--add", "/tmp/megabyte"));
            Assert.Contains("No space left on device", error.Message);
        }
        Assert.StartsWith("/nix/store/", await host.ExecAsync("nix-store", "--add", "/tmp/megabyte"));
    }

    [Fact]
    public async Task A_fault_of_one_builder_is_none_of_another()
    {
        await using var fault = await host.InflictAsync(Fault.Blackhole);

        foreach (var other in farm.Builders)
        {
            Assert.Equal("fine", (await Command.RunAsync("ssh", "-o", "ConnectTimeout=5", $"root@{other}", "echo fine")).Output.Trim());
        }
    }

    [Fact]
    public async Task Faults_cannot_be_made_on_the_coordinator_where_the_tests_run()
    {
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => farm.Coordinator.InflictAsync(Fault.Frozen));

        Assert.Contains("not on the coordinator", error.Message);
    }

    /// <summary>Makes the fault while a session waits on the host, then lets it go on.</summary>
    private async Task<string> AnswerOfASessionDuring(Fault fault)
    {
        await host.ExecAsync("mkfifo", "/tmp/running", "/tmp/go");
        await host.ExecAsync("chmod", "666", "/tmp/running", "/tmp/go");
        var session = SshAsync("echo > /tmp/running; read line < /tmp/go; echo survived");
        await host.ExecAsync("cat", "/tmp/running");
        await using (await host.InflictAsync(fault))
        {
            await host.ExecAsync("bash", "-c", "echo > /tmp/go");
            return (await session).Output;
        }
    }

    private Task<CommandResult> SshAsync(string command) =>
        Command.RunAsync("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=4", $"nix@{host}", command);
}
