using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Ssh;

/// <summary>Whose key opens a builder, who else is near when it does, and what is said where the builder does not serve.</summary>
public sealed class LoginTests(TestFarm farm) : IDisposable
{
    // Polls the table of sockets, and connects to each new listener of a user on the loopback device, as any local user can.
    private const string Poller = """
        use Socket;
        my ($uid, $stop) = @ARGV;
        my ($polls, $tries, %seen, @kept) = (0, 0);
        $| = 1;
        until (-e $stop) {
          open my $table, '<', '/proc/net/tcp';
          for (<$table>) {
            my @word = split;
            next unless $word[3] eq '0A' && $word[1] =~ /^0100007F:(....)$/ && $word[7] == $uid && !$seen{$1}++ && $polls;
            $tries++;
            socket my $socket, PF_INET, SOCK_STREAM, 0;
            push @kept, $socket if connect $socket, sockaddr_in(hex $1, inet_aton('127.0.0.1'));
          }
          close $table;
          print "ready\n" unless $polls++;
        }
        print "tries $tries\n";
        """;

    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public async Task Another_user_of_this_machine_finds_no_port_to_connect_to()
    {
        using var folder = new PublicFolder();
        var (script, stop) = (Path.Combine(folder.Path, "poll.pl"), Path.Combine(folder.Path, "stop"));
        await File.WriteAllTextAsync(script, Poller, TestContext.Current.CancellationToken);
        using var poller = farm.StartAs("mallory", "perl", script, "0", stop);
        Assert.Equal("ready", await poller.Output.ReadLineAsync(TestContext.Current.CancellationToken));

        var states = session.Run("1..10 | ForEach-Object { \"$((Test-NixBuilder ruby).State)\" }").Script.OutputAs<string>();

        await File.WriteAllTextAsync(stop, "", TestContext.Current.CancellationToken);
        Assert.Equal("tries 0", await poller.Output.ReadLineAsync(TestContext.Current.CancellationToken));
        Assert.All(states, state => Assert.Equal("Online", state));
    }

    [Fact]
    public async Task A_passphrase_is_given_as_the_password_of_a_credential()
    {
        var key = await NewKeyAsync("locked", "correct horse");
        await AuthorizeAsync(key);
        session.Write("one", "package \"one\" \"echo $host > $out\" [ ]");

        var run = session.Run($$"""
            $secret = [securestring]::new(); 'correct horse'.ToCharArray() | ForEach-Object { $secret.AppendChar($_) }
            $credential = [pscredential]::new('key', $secret)
            $builder = [pscustomobject] @{ HostName = 'ruby'; User = 'nix'; IdentityFile = '{{key}}'; MaxJobs = 1 } | Import-NixBuilder
            "$(($builder | Test-NixBuilder).State) $(($builder | Test-NixBuilder -Credential $credential).State)"
            $build = $builder | Invoke-NixDistributedBuild -Path one.nix -Credential $credential -CopyBack None
            "$($build.Status)"
            Copy-NixStorePath $build.Outputs["out"] -From $builder -Credential $credential -NoCheckSignature | Out-Null
            """);

        Assert.True(run.Errors.Length == 0, run.Errors);
        Assert.Equal(["AuthenticationFailed Online", "Built"], run.Script.OutputAs<string>());
    }

    [Fact]
    public async Task The_policys_key_is_used_in_place_of_the_lists()
    {
        var key = await NewKeyAsync("own", "");
        await AuthorizeAsync(key);

        var run = session.Run($$"""
            $builder = [pscustomobject] @{ HostName = 'ruby'; User = 'nix'; IdentityFile = '/etc/nix/nobodys-key' } | Import-NixBuilder
            $builder | Set-NixBuilderPolicy -IdentityFile '{{key}}' -Scope Session
            $own = $builder | Set-NixBuilderPolicy -Cores 1 -Scope Session -PassThru
            "$($own.IdentityFile) $(($own | Test-NixBuilder).State)"
            Reset-NixBuilderPolicy ruby -Scope Session
            """);

        Assert.True(run.Errors.Length == 0, run.Errors);
        Assert.Equal($"{key} Online", Assert.Single(run.Script.OutputAs<string>()));
    }

    [Fact]
    public async Task A_login_that_may_run_only_nix_store_serve_is_told_as_that()
    {
        await using var garnet = await farm.AddAsync("garnet", "--user", "guest", "--sshd", "ForceCommand nix-store --serve --write");

        Assert.Contains("Incompatible: Builder garnet: garnet runs “nix-store --serve”", StateOf("garnet"));
    }

    [Fact]
    public async Task A_stopped_daemon_is_told_as_that()
    {
        await using var garnet = await farm.AddAsync("garnet", "--user", "guest");
        await farm.ControlAsync("daemon-kill", "garnet");

        Assert.Contains("Unreachable: Builder garnet: the Nix daemon of garnet does not run", StateOf("garnet"));
    }

    [Fact]
    public async Task A_nix_store_as_remote_program_stands_for_the_daemon_beside_it()
    {
        await using var garnet = await farm.AddAsync("garnet", "--unlisted");

        var store = (await garnet.ExecAsync("sh", "-c", "command -v nix-store")).Trim();
        await File.WriteAllTextAsync(Path.Combine(session.Folder, "list"), $"ssh://root@garnet?remote-program={store} x86_64-linux\n");

        var run = session.Run("$t = Get-NixBuilder garnet -Path list | Test-NixBuilder; \"$($t.State) $($t.Findings)\"");

        Assert.Equal("Online", Assert.Single(run.Script.OutputAs<string>()).Trim());
    }

    private string StateOf(string builder) =>
        Assert.Single(session.Run($"$t = Test-NixBuilder {builder}; \"$($t.State): $($t.Findings.Message)\"").Script.OutputAs<string>());

    private async Task<string> NewKeyAsync(string name, string passphrase)
    {
        var key = Path.Combine(session.Folder, name);
        await farm.Coordinator.ExecAsync("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", key);
        return key;
    }

    private async Task AuthorizeAsync(string key) =>
        await farm.Ruby.ExecAsync(
            "bash", "-c", "echo \"$1\" >> /etc/ssh/authorized_keys", "-", (await File.ReadAllTextAsync(key + ".pub")).Trim());

    // What other users may read.
    private sealed class PublicFolder : IDisposable
    {
        private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory();

        public PublicFolder() => File.SetUnixFileMode(
            Path,
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);

        public string Path => folder.FullName;

        public void Dispose() => folder.Delete(recursive: true);
    }
}
