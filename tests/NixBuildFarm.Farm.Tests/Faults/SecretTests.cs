using System.Text;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Faults;

/// <summary>Keys, passphrases, passwords and tokens go to nobody, and what is kept is for the user's eyes only.</summary>
public sealed class SecretTests(TestFarm farm) : IDisposable
{
    private const string Passphrase = "correct-horse-battery";
    private const string Password = "hunter2-of-the-uri";
    private const string Token = "token-of-the-substituter";
    private const UnixFileMode ForOthers = ~(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public async Task Nothing_that_a_run_says_or_keeps_has_a_secret_in_it_and_nobody_else_may_read_what_it_keeps()
    {
        await using var setting = await NixSetting.AddAsync(farm, $"access-tokens = example.org={Token}");
        var (open, locked) = (await NewKeyAsync("open", ""), await NewKeyAsync("locked", Passphrase));
        await farm.Ruby.ExecAsync(
            "bash",
            "-c",
            "echo \"$1\" >> /etc/ssh/authorized_keys",
            "-",
            (await File.ReadAllTextAsync(open + ".pub", TestContext.Current.CancellationToken)).Trim());
        session.Write("two", """[ (package "good" "echo fine; echo > $out" [ ]) (package "bad" "echo wrong; exit 1" [ ]) ]""");
        await File.WriteAllTextAsync(
            Path.Combine(session.Folder, "machines"),
            $"ssh-ng://nix:{Password}@ruby x86_64-linux - 1\n",
            TestContext.Current.CancellationToken);

        var said = new StringBuilder();
        // With -Debug, PowerShell asks at each warning whether to go on.
        var build = Run($$"""
            [pscustomobject] @{ HostName = 'ruby'; User = 'nix'; IdentityFile = '{{open}}' }, [pscustomobject] @{ HostName = 'kana'; User = 'nix'; IdentityFile = '{{locked}}' } |
                Import-NixBuilder |
                Invoke-NixDistributedBuild -Path two.nix -KeepGoing -JsonLog build.json -Verbose -Debug -InformationAction Continue -WarningAction Continue
            """);
        Run("Get-NixBuilder -Path machines -Verbose -Debug | Test-NixBuilder -Verbose -Debug");
        Run("Set-NixBuilderPolicy ruby -MaxJobs 1 -Scope User -Verbose -Debug; Get-NixBuilder | ConvertTo-Json -Depth 6");
        Run("Export-NixBuildReport report.html -Verbose -Debug; Export-NixBuildReport report.json; Get-NixBuild | ConvertTo-Json -Depth "
            + "6; Get-NixBuild -Last 1 -Result | ConvertTo-Json -Depth 6; Get-NixBuild -Last 1 -Result | Get-NixBuildLog");

        // The run met what it should have met, or this test would prove nothing.
        Assert.Equal(("Built", "Failed"), (build["good"].Status, build["bad"].Status));
        Assert.Contains("locked", build.Warnings);
        Assert.NotEmpty(build.Script.Verbose);
        var kept = Directory.GetFiles(session.Folder, "*", SearchOption.AllDirectories)
            .Where(file => Path.GetFileNameWithoutExtension(file) is not ("open" or "locked" or "machines"))
            .ToArray();
        foreach (var name in new[] { "history.db", "policy.json", "build.json", "report.html", "report.json" })
        {
            Assert.Contains(kept, file => Path.GetFileName(file) == name);
        }
        foreach (var file in kept)
        {
            said.Append(Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken)));
        }
        foreach (var secret in (string[])[Passphrase, Password, Token, .. KeyLines(open), .. KeyLines(locked)])
        {
            Assert.DoesNotContain(secret, said.ToString());
        }

        foreach (var folder in new[] { "state", "config" })
        {
            foreach (var entry in Directory.GetFileSystemEntries(Path.Combine(session.Folder, folder), "*", SearchOption.AllDirectories))
            {
                Assert.True(
                    (File.GetUnixFileMode(entry) & ForOthers) == UnixFileMode.None, $"{entry} has the mode {File.GetUnixFileMode(entry)}.");
            }
        }
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(session.Folder, "build.json")));

        BuildOutput Run(string script)
        {
            var run = session.Run(script);
            var errors = run.Script.Errors.Append(run.Script.TerminatingError)
                .Where(e => e is not null)
                .Select(
                    e => $"{e} {e!.ErrorDetails?.RecommendedAction} {e.Exception} {e.TargetObject} {e.InvocationInfo?.PositionMessage}");
            said.AppendJoin(
                '\n',
                [
                    .. run.Script.Output.Select(o => $"{o}"), .. run.Script.Warnings, .. run.Script.Verbose, .. run.Script.Debug,
                    .. run.Script.Information.Select(i => $"{i.MessageData}"),
                    .. run.Script.Progress.Select(p => $"{p.Activity} {p.StatusDescription} {p.CurrentOperation}"), .. errors,
                ]);
            return run;
        }
    }

    private static IEnumerable<string> KeyLines(string key) => File.ReadLines(key).Where(line => !line.StartsWith('-'));

    private async Task<string> NewKeyAsync(string name, string passphrase)
    {
        var key = Path.Combine(session.Folder, name);
        await farm.Coordinator.ExecAsync("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", key);
        return key;
    }
}
