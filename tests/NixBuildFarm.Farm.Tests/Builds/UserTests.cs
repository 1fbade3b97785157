using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>
/// Who runs a build: an ordinary user whom the local daemon trusts is the normal case. One whom it does not trust learns
/// so before anything is built, or builds on machines that sign.
/// </summary>
public sealed class UserTests(TestFarm farm)
{
    private const string Graph = """
        let package = name: inputs: derivation {
          inherit name inputs; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "PATH=/bin; sleep 0.2; echo $name $inputs > $out" ]; nonce = NONCE;
        }; in package "top" (builtins.genList (i: package "leaf${toString i}" [ ]) 8)
        """;

    [Fact]
    public async Task An_ordinary_user_whom_the_daemon_trusts_builds_on_every_builder()
    {
        var file = await WriteAsync("alice", Graph);

        var build = await farm.PowerShellAsync("alice", $$"""
            Get-NixBuilder | Invoke-NixDistributedBuild -Path {{file}} -OutLink result | ForEach-Object { "$($_.Status) $($_.Builder)" }
            """);

        Assert.True(build.Succeeded, build.ToString());
        Assert.Equal("", build.Error);
        var lines = build.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(9, lines.Length);
        Assert.All(lines, line => Assert.StartsWith("Built ", line));
        Assert.True(lines.Distinct().Count() >= 3, build.Output);
        Assert.StartsWith("top ", await farm.Coordinator.ExecAsync("cat", "/home/alice/result"));
    }

    [Fact]
    public async Task A_user_whom_the_daemon_does_not_trust_is_told_before_anything_is_built()
    {
        var file = await WriteAsync("mallory", Graph);

        var build = await farm.PowerShellAsync("mallory", $"Get-NixBuilder | Invoke-NixDistributedBuild -Path {file} -NoLocal");

        Assert.Equal("", build.Output.Trim());
        Assert.Contains("does not trust this user", build.Error);
        Assert.Contains("Nothing was built", build.Error);
        Assert.Contains("trusted-users", build.Error);
        foreach (var builder in farm.Builders)
        {
            Assert.DoesNotContain(
                "-leaf", await builder.ExecAsync("bash", "-c", "ls /nix/store /nix/var/log/nix/drvs 2>/dev/null | grep MALLORY || true"));
        }
    }

    [Fact]
    public async Task A_user_whom_the_daemon_does_not_trust_builds_alone_on_the_local_machine()
    {
        var file = await WriteAsync("mallory", Graph);

        var build = await farm.PowerShellAsync("mallory", $$"""
            Invoke-NixDistributedBuild -Path {{file}} -Builder local | ForEach-Object { "$($_.Status) $($_.Builder)" }
            """);

        Assert.Equal(Enumerable.Repeat("Built local", 9), build.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task A_user_whom_the_daemon_does_not_trust_builds_on_builders_that_sign_with_a_key_that_it_trusts()
    {
        await using var opal = await farm.AddAsync("opal", "--slots", "3", "--conf", "secret-key-files = /etc/nix/signing-key");
        await opal.ExecAsync("nix-store", "--generate-binary-cache-key", "opal-1", "/etc/nix/signing-key", "/etc/nix/signing-key.pub");
        var key = (await opal.ExecAsync("cat", "/etc/nix/signing-key.pub")).Trim();
        await using var trusting = await NixSetting.AddAsync(farm, $"trusted-public-keys = {key}");
        var file = await WriteAsync("mallory", Graph);

        var build = await farm.PowerShellAsync("mallory", $$"""
            Get-NixBuilder opal, ruby | Invoke-NixDistributedBuild -Path {{file}} | ForEach-Object { "$($_.Status) $($_.Builder)" }
            """);

        Assert.Equal(Enumerable.Repeat("Built opal", 9), build.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("ruby does not sign what it builds", build.Error);
    }

    [Fact]
    public async Task An_ordinary_users_logs_are_for_that_user_only()
    {
        var file = await WriteAsync("alice", Graph);
        await farm.PowerShellAsync("alice", $"$null = Get-NixBuilder local | Invoke-NixDistributedBuild -Path {file}");

        var modes = await farm.Coordinator.ExecAsync("find", "/home/alice/.local/state/nixbuildfarm", "-printf", "%m %u\\n");

        Assert.Equal(["600 alice", "700 alice"], modes.Split('\n', StringSplitOptions.RemoveEmptyEntries).Distinct().Order());
    }

    private static async Task<string> WriteAsync(string user, string expression)
    {
        var file = $"/home/{user}/{Guid.NewGuid():N}.nix";
        await File.WriteAllTextAsync(file, expression.Replace("NONCE", $"\"{Guid.NewGuid()}\"", StringComparison.Ordinal));
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        return file;
    }
}
