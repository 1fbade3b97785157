using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Ssh;

/// <summary>
/// A host name means what OpenSSH means by it: its configuration, keys, agents and known hosts, in builds on real machines.
/// </summary>
public sealed class SshConfigurationTests : IDisposable
{
    private const string UserConfig = "/root/.ssh/config";
    private const string UserKnownHosts = "/root/.ssh/known_hosts";
    private const string SystemConfig = "/etc/ssh/ssh_config.d/farm-test.conf";

    private readonly TestFarm farm;
    private readonly BuildSession session = new();

    public SshConfigurationTests(TestFarm farm)
    {
        this.farm = farm;
        session.Write("one", "package \"one\" \"echo $host > $out\" [ ]");
    }

    public void Dispose()
    {
        foreach (var file in new[] { UserConfig, UserKnownHosts, SystemConfig }) File.Delete(file);
        Environment.SetEnvironmentVariable("SSH_AUTH_SOCK", null);
        session.Dispose();
    }

    [Theory]
    [InlineData(SystemConfig)]
    [InlineData(UserConfig)]
    public async Task An_alias_is_followed_wherever_it_is_defined(string file)
    {
        Write(file, $"Host workshop\n  HostName {await AddressAsync("kana")}\n  User nix\n");

        Assert.Equal("kana", BuildOn("workshop"));
    }

    [Fact]
    public async Task Include_Match_and_a_port_of_its_own_are_followed()
    {
        await using var garnet = await farm.AddAsync("garnet", "--unlisted", "--sshd", "Port 2222");
        Write("/root/.ssh/more", "Match originalhost workshop\n  Port 2222\n  HostName garnet\n  User nix\n");
        Write(UserConfig, "Include more\n");
        // known_hosts has the machine without its port, as OpenSSH also takes it.
        Assert.Equal("garnet", BuildOn("workshop"));
        File.Delete("/root/.ssh/more");
    }

    [Fact]
    public async Task A_jump_through_another_machine_is_made_by_the_ssh_program_and_reported()
    {
        await using var garnet = await farm.AddAsync("garnet", "--unlisted");
        // Only ruby reaches it.
        var home = (await farm.Coordinator.ExecAsync("ip", "-4", "-brief", "address", "show", "br0"))
            .Split([' ', '/'], StringSplitOptions.RemoveEmptyEntries)[2];
        await garnet.ExecAsync("ip", "route", "add", "blackhole", home);
        Write(UserConfig, "Host garnet\n  ProxyJump nix@ruby\n  User nix\n");

        var build =
            session.Run("[pscustomobject] @{ HostName = 'garnet'; MaxJobs = 1 } | Import-NixBuilder | Invoke-NixDistributedBuild -Path "
                + "one.nix -Verbose")
            .Succeeded();

        Assert.Equal("garnet", File.ReadAllText(build["one"].Output).Trim());
        Assert.Contains(build.Script.Verbose, line => line.Contains("uses the ssh program: ProxyJump nix@ruby"));
    }

    [Fact]
    public async Task A_key_that_only_the_agent_has_logs_in()
    {
        var key = await NewKeyAsync("agent", passphrase: "");
        await AuthorizeAsync(key);
        using var agent = KeyAgentProcess.Start(session.Folder);
        await agent.AddAsync(key);
        File.Delete(key);
        Write(UserConfig, $"Host workshop\n  HostName ruby\n  User nix\n  IdentityFile none\n  IdentityAgent {agent.Socket}\n");

        Assert.Equal("ruby", BuildOn("workshop"));
    }

    [Fact]
    public async Task An_encrypted_key_needs_an_agent_and_says_so_without_one()
    {
        var key = await NewKeyAsync("encrypted", passphrase: "correct horse");
        await AuthorizeAsync(key);

        var test = Test($"[pscustomobject] @{{ HostName = 'ruby'; User = 'nix'; IdentityFile = '{key}' }} | Import-NixBuilder");
        Assert.Contains("is encrypted", test.Findings);
        Assert.Contains($"ssh-add {key}", test.Recommendations);

        using var agent = KeyAgentProcess.Start(session.Folder);
        await agent.AddAsync(key, "correct horse");
        Environment.SetEnvironmentVariable("SSH_AUTH_SOCK", agent.Socket);
        Assert.Equal(
            "Online", Test($"[pscustomobject] @{{ HostName = 'ruby'; User = 'nix'; IdentityFile = '{key}' }} | Import-NixBuilder").State);
    }

    [Fact]
    public async Task Hashed_known_hosts_are_understood()
    {
        ForgetHosts();
        var line = (await farm.ControlAsync("exec", "coordinator", "grep", "^ruby,", "/etc/ssh/ssh_known_hosts")).Trim();
        Write(UserKnownHosts, line + "\n");
        await farm.Coordinator.ExecAsync("ssh-keygen", "-H", "-f", UserKnownHosts);
        File.Delete(UserKnownHosts + ".old");
        Assert.StartsWith("|1|", File.ReadAllText(UserKnownHosts));

        Assert.Equal("ruby", BuildOn("ruby"));
    }

    [Fact]
    public async Task A_host_whose_key_nobody_knows_is_refused_with_its_fingerprint()
    {
        ForgetHosts();

        var test = Test("[pscustomobject] @{ HostName = 'ruby'; User = 'nix' } | Import-NixBuilder");

        Assert.Equal("HostKeyMismatch", test.State);
        var fingerprint = (await farm.Ruby.ExecAsync("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub")).Split(' ')[1];
        Assert.Contains(fingerprint, test.Findings);
        Assert.Contains("ssh-keyscan", test.Recommendations);
    }

    [Fact]
    public async Task A_key_in_the_list_decides_and_not_known_hosts()
    {
        await farm.Coordinator.ExecAsync("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", Path.Combine(session.Folder, "other"));
        var wrong = File.ReadAllText(Path.Combine(session.Folder, "other.pub")).Trim();

        var test = Test($"[pscustomobject] @{{ HostName = 'ruby'; User = 'nix'; HostKey = '{wrong}' }} | Import-NixBuilder");

        Assert.Equal("HostKeyMismatch", test.State);
        Assert.Contains("another host key than the builder's configuration says", test.Findings);
    }

    private static void Write(string file, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    /// <summary>No file of this machine knows ruby's key, for as long as the test runs.</summary>
    private static void ForgetHosts() => Write(UserConfig, "GlobalKnownHostsFile /dev/null\n");

    private async Task<string> NewKeyAsync(string name, string passphrase)
    {
        var key = Path.Combine(session.Folder, name);
        await farm.Coordinator.ExecAsync("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", key);
        return key;
    }

    private async Task AuthorizeAsync(string key) =>
        await farm.Ruby.ExecAsync(
            "bash", "-c", "echo \"$1\" >> /etc/ssh/authorized_keys", "-", (await File.ReadAllTextAsync(key + ".pub")).Trim());

    private async Task<string> AddressAsync(string host) => (await farm.Coordinator.ExecAsync("getent", "hosts", host)).Split(' ')[0];

    /// <summary>Builds on a host of that name, and tells on which it really was.</summary>
    private string BuildOn(string name)
    {
        var build =
            session.Run($"[pscustomobject] @{{ HostName = '{name}'; {(name == "ruby" ? "User = 'nix';" : "")} MaxJobs = 1 }} | "
                + "Import-NixBuilder | Invoke-NixDistributedBuild -Path one.nix")
            .Succeeded();
        return File.ReadAllText(build["one"].Output).Trim();
    }

    private (string State, string Findings, string Recommendations) Test(string builder)
    {
        var run = session.Run($"{builder} | Test-NixBuilder");
        Assert.True(run.Errors.Length == 0, run.Errors);
        var test = Assert.Single(run.Script.Output);
        var findings = ((IEnumerable<object>)test.Properties["Findings"].Value)
            .Select(System.Management.Automation.PSObject.AsPSObject)
            .ToArray();
        return (
            $"{test.Properties["State"].Value}",
            string.Join('\n', findings.Select(f => f.Properties["Message"].Value)),
            string.Join('\n', findings.Select(f => f.Properties["Recommendation"].Value)));
    }

    /// <summary>An ssh-agent of the test's own.</summary>
    private sealed class KeyAgentProcess : IDisposable
    {
        private readonly Command agent;

        private KeyAgentProcess(Command agent, string socket)
        {
            this.agent = agent;
            Socket = socket;
        }

        public string Socket { get; }

        public static KeyAgentProcess Start(string folder)
        {
            var socket = Path.Combine(folder, "agent.sock");
            var started = new KeyAgentProcess(Command.Start("ssh-agent", "-D", "-a", socket), socket);
            Assert.True(SpinWait.SpinUntil(() => File.Exists(socket), Until.Limit), "The agent has no socket.");
            return started;
        }

        public async Task AddAsync(string key, string passphrase = "")
        {
            var ask = Socket + ".ask";
            await File.WriteAllTextAsync(ask, $"#!/bin/sh\necho '{passphrase}'\n");
            File.SetUnixFileMode(ask, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var add = await Command.RunAsync(
                "env", $"SSH_AUTH_SOCK={Socket}", $"SSH_ASKPASS={ask}", "SSH_ASKPASS_REQUIRE=force", "ssh-add", "-q", key);
            Assert.True(add.Succeeded, add.ToString());
        }

        public void Dispose() => agent.Dispose();
    }
}
