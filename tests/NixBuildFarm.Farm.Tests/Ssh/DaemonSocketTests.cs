using System.Globalization;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Ssh;

/// <summary>
/// Where the ssh program carries the channels to a builder, they lead straight to the socket of its daemon, if that is as good as a
/// <c>nix-daemon</c> of the login.
/// </summary>
public sealed class DaemonSocketTests(TestFarm farm) : IDisposable
{
    private const string UserConfig = "/root/.ssh/config";

    private readonly BuildSession session = new();

    public void Dispose()
    {
        File.Delete(UserConfig);
        session.Dispose();
    }

    [Theory]
    [EveryNix]
    [InlineData("root")]
    [InlineData("nix")]
    [InlineData("guest")]
    public async Task Builds_go_through_the_socket_whoever_logs_in(string user)
    {
        await using var garnet = await AddAsync(user);

        var build = Build(user);

        Assert.Contains(build.Script.Verbose, line => line.Contains("opens the socket of its daemon"));
        Assert.DoesNotContain(build.Script.Verbose, line => line.Contains("runs nix-daemon for each channel"));
    }

    [Fact]
    public async Task No_build_has_a_process_of_the_login_there_at_most_NARs_have_one()
    {
        await using var garnet = await AddAsync("root");
        session.Write("many", "many 4 (i: package \"held-${toString i}\" (held + \"echo > $out\") [ ])");
        var running = session.Start($"{Garnet("root", slots: 4)} | Invoke-NixDistributedBuild -Path many.nix");
        await Until.TrueAsync(async () => await CountAsync(garnet, $"^sleep {session.Mark}") == 4, "all builds run");

        var daemons = await CountAsync(garnet, "[n]ix-daemon --stdio");
        await session.ReleaseAsync(garnet);
        new BuildOutput(running.Wait()).Succeeded();

        Assert.InRange(daemons, 0, 1);
    }

    [Theory]
    [InlineData("AllowStreamLocalForwarding no")]
    [InlineData("DisableForwarding yes")]
    public async Task Where_sshd_forbids_it_nix_daemon_is_run_and_that_is_said_once(string setting)
    {
        await using var garnet = await AddAsync("root", "--sshd", setting);

        Assert.Single(
            Build("root").Script.Verbose, line => line.Contains("garnet: runs nix-daemon for each channel: its sshd does not open"));
    }

    [Fact]
    public async Task Where_no_daemon_listens_root_builds_all_the_same()
    {
        await using var garnet = await AddAsync("root");
        await garnet.ExecAsync("rm", "/nix/var/nix/daemon-socket/socket");

        Assert.Single(Build("root").Script.Verbose, line => line.Contains("garnet: runs nix-daemon for each channel"));
    }

    [Fact]
    public async Task Where_the_daemon_does_not_trust_root_a_program_of_root_is_trusted()
    {
        await using var garnet = await AddAsync("root", "--conf", "trusted-users = nix");

        Assert.Single(
            Build("root").Script.Verbose,
            line => line.Contains("garnet: runs nix-daemon for each channel: the daemon does not trust the login at its socket"));
    }

    [Fact]
    public async Task A_build_that_is_stopped_ends_on_the_builder_although_it_says_nothing()
    {
        await using var garnet = await AddAsync("root");
        session.Write("silent", $"package \"silent\" \"exec sleep 99999{session.Mark}\" [ ]");
        var running = session.Start($"{Garnet("root")} | Invoke-NixDistributedBuild -Path silent.nix");
        await Until.TrueAsync(async () => await CountAsync(garnet, $"^sleep 99999{session.Mark}") == 1, "the build runs");

        running.Stop();

        await Until.TrueAsync(async () => await CountAsync(garnet, $"^sleep 99999{session.Mark}") == 0, "the build has ended");
    }

    private static string Garnet(string user, int slots = 1) =>
        $"[pscustomobject] @{{ HostName = 'garnet'; User = '{user}'; MaxJobs = {slots} }} | Import-NixBuilder";

    /// <summary>A builder that is reached through another, as only the ssh program can.</summary>
    private async Task<AddedHost> AddAsync(string user, params IEnumerable<string> options)
    {
        var host = await farm.AddAsync("garnet", ["--unlisted", "--user", user, .. options]);
        Directory.CreateDirectory(Path.GetDirectoryName(UserConfig)!);
        await File.WriteAllTextAsync(UserConfig, "Host garnet\n  ProxyJump nix@ruby\n", TestContext.Current.CancellationToken);
        return host;
    }

    private BuildOutput Build(string user)
    {
        session.Write("two", "package \"two\" \"echo $host > $out\" [ (package \"one\" \"echo > $out\" [ ]) ]");
        var build = session.Run($"{Garnet(user)} | Invoke-NixDistributedBuild -Path two.nix -Verbose").Succeeded();
        Assert.Equal("garnet", File.ReadAllText(build["two"].Output).Trim());
        return build;
    }

    /// <summary>How many processes of a host have a command line that matches. That of the count itself must not.</summary>
    private static async Task<int> CountAsync(AddedHost host, string pattern) => int.Parse(
        await host.ExecAsync("bash", "-c", "pgrep -fc -- \"$1\" || true", "-", pattern), CultureInfo.InvariantCulture);
}
