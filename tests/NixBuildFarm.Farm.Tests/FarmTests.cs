using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests;

/// <summary>The farm is what it claims to be: every other test here rests on that.</summary>
public class FarmTests(TestFarm farm)
{
    [Theory]
    [InlineData("aquamarine")]
    [InlineData("ruby")]
    [InlineData("kana")]
    public async Task A_builder_answers_as_itself_over_ssh_and_has_Nix(string builder)
    {
        var answer = await SshAsync(builder, "cat /proc/sys/kernel/hostname; nix --version");

        Assert.True(answer.Succeeded, answer.ToString());
        Assert.StartsWith($"{builder}\nnix (Nix) ", answer.Output);
    }

    [Fact]
    public async Task Every_host_has_a_store_of_its_own()
    {
        var path = await farm.Ruby.ExecAsync("bash", "-c", "echo ruby > /tmp/here && nix-store --add /tmp/here");

        Assert.Equal("ruby\n", await farm.Ruby.ExecAsync("cat", path.Trim()));
        foreach (var other in new[] { farm.Coordinator, farm.Kana })
        {
            var error = await Assert.ThrowsAsync<InvalidOperationException>(() => other.ExecAsync("cat", path.Trim()));
            Assert.Contains("No such file", error.Message);
        }
    }

    [Fact]
    public async Task Nothing_leads_out_of_the_farm()
    {
        foreach (var host in farm.Builders.Append(farm.Coordinator))
        {
            Assert.Equal(
                "10.77.0.0/24",
                string.Join(
                    ' ',
                    (await host.ExecAsync("ip", "route")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ')[0])));
            Assert.Equal("", await host.ExecAsync("ip", "-6", "route", "show", "default"));
        }
        var ports = (await farm.Coordinator.ExecAsync("ip", "-brief", "link")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(ports, port => Assert.Matches(@"^(lo|br0|v\d+@\S+) ", port));
    }

    [Fact]
    public async Task Stock_Nix_builds_on_the_builders_of_the_machines_list()
    {
        var machines = string.Join('\n', await Task.WhenAll(farm.Builders.Select(b => b.MachineLineAsync())));
        Assert.Equal(machines + "\n", await File.ReadAllTextAsync("/etc/nix/machines", TestContext.Current.CancellationToken));

        var output = await BuildAsync("root", "stock", "--max-jobs", "0");

        Assert.Contains(output, farm.Builders.Select(b => b.Name));
    }

    [Fact]
    public async Task Alice_builds_through_the_daemon_of_the_coordinator()
    {
        Assert.Equal("coordinator", await BuildAsync("alice", "local", "--builders", "", "--max-jobs", "1"));
    }

    [Theory]
    [InlineData("mallory", "signature")]
    [InlineData("alice", "")]
    public async Task The_daemon_of_the_coordinator_takes_unsigned_paths_from_those_it_trusts(string user, string complaint)
    {
        var derivation = await farm.Ruby.ExecAsync("nix-instantiate", "--quiet", "--expr", Expression("unsigned-" + user));
        var path = await farm.Ruby.ExecAsync("nix-store", "--quiet", "--realise", derivation.Trim());

        var copy = await farm.RunAsAsync(user, "nix", "copy", "--no-check-sigs", "--from", "ssh-ng://nix@ruby", path.Trim());

        Assert.Equal(complaint == "", copy.Succeeded);
        Assert.Contains(complaint, copy.Error);
    }

    [Theory]
    [InlineData("alice")]
    [InlineData("mallory")]
    public async Task Ordinary_users_log_in_on_a_builder_with_their_own_key(string user)
    {
        foreach (var login in new[] { "root", "nix", "guest" })
        {
            var answer = await farm.RunAsAsync(user, "ssh", "-o", "BatchMode=yes", $"{login}@kana", "id -un");
            Assert.Equal(login, answer.Output.Trim());
        }
    }

    [Theory]
    [InlineData("root")]
    [InlineData("alice")]
    [InlineData("mallory")]
    public async Task Every_user_can_import_the_module(string user)
    {
        var shell = await farm.PowerShellAsync(user, "[Environment]::UserName; (Get-Module NixBuildFarm).Name");

        Assert.True(shell.Succeeded, shell.ToString());
        Assert.Equal($"{user}\nNixBuildFarm\n", shell.Output);
    }

    [Fact]
    public async Task A_PowerShell_of_a_user_can_be_interrupted()
    {
        using var shell = farm.StartPowerShell("alice", "'started'; while ($true) { }");
        Assert.Equal("started", await shell.Output.ReadLineAsync(TestContext.Current.CancellationToken));

        await shell.InterruptAsync();

        Assert.Equal(130, (await shell.WaitAsync(TestContext.Current.CancellationToken)).ExitCode);
    }

    [Fact]
    [EveryNix]
    public async Task A_builder_comes_with_the_options_that_it_is_added_with_and_goes_without_a_trace()
    {
        await using var opal =
            await farm.AddAsync("opal", "--slots", "3", "--speed", "2", "--user", "guest", "--features", "kvm,big-parallel",
            "--conf", "min-free = 4096", "--sshd", "MaxSessions 3");

        Assert.StartsWith("ssh-ng://guest@opal x86_64-linux - 3 2 kvm,big-parallel - ", await opal.MachineLineAsync());
        Assert.Contains("min-free = 4096", await opal.ExecAsync("nix", "show-config"));
        // OpenSSH 10 writes its options as its manual does.
        Assert.Contains("maxsessions 3", await opal.ExecAsync("/usr/sbin/sshd", "-T"), StringComparison.OrdinalIgnoreCase);

        await opal.RemoveAsync();
        foreach (var list in new[] { "/etc/hosts", "/etc/ssh/ssh_known_hosts", "/etc/nix/machines" })
        {
            Assert.DoesNotContain("opal", await farm.Coordinator.ExecAsync("cat", list));
        }
        Assert.Contains("Could not resolve hostname", (await SshAsync("opal")).Error);
    }

    [Fact]
    public async Task A_misspelt_option_of_a_new_builder_is_refused()
    {
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => farm.AddAsync("opal", "--slot", "3"));

        Assert.Contains("unknown option --slot", error.Message);
    }

    private static Task<CommandResult> SshAsync(string host, string command = "true") =>
        Command.RunAsync("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", $"root@{host}", command);

    private async Task<string> BuildAsync(string user, string name, params string[] options)
    {
        var build = await farm.RunAsAsync(user, ["nix-build", "--no-out-link", "--expr", Expression(name), .. options]);
        Assert.True(build.Succeeded, build.ToString());
        return (await File.ReadAllTextAsync(build.Output.Trim(), TestContext.Current.CancellationToken)).Trim();
    }

    /// <summary>A derivation whose output tells where it was built.</summary>
    private static string Expression(string name) => $$"""
        derivation {
          name = "{{name}}"; system = "x86_64-linux"; builder = "/bin/sh";
          args = [ "-c" "read -r host < /proc/sys/kernel/hostname && echo $host > $out" ];
        }
        """;
}
