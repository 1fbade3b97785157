using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Faults;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Serving;

/// <summary>A colleague on another machine, who has nothing but Nix and ssh, builds on the farm by a key with a forced command.</summary>
public sealed class TeamFarmTests(TestFarm farm) : IAsyncLifetime
{
    private const string Folder = "/run/team";
    private readonly BuildSession session = new();

    public async ValueTask InitializeAsync()
    {
        var address = session.Run("(Start-NixBuildFarm team -Builder ruby, aquamarine).Address").Script.Output[0].ToString();
        await farm.Coordinator.ExecAsync("bash", "-euc", $$"""
            mkdir -p {{Folder}} /run/sshd; cd {{Folder}}
            for key in host colleague alice bob; do ssh-keygen -q -t ed25519 -N '' -f $key; done
            echo "restrict,command=\"NIX_REMOTE={{address}} nix-daemon --stdio\" $(cat colleague.pub)" > keys
            for name in alice bob; do
              echo "restrict,command=\"NIXBUILDFARM_USER=$name NIX_REMOTE={{address}} nix-daemon --stdio\" $(cat $name.pub)" >> keys
            done
            printf '%s\n' 'HostKey {{Folder}}/host' 'AuthorizedKeysFile {{Folder}}/keys' 'PermitRootLogin yes' 'StrictModes no' 'UsePAM no' \
              'ListenAddress 10.77.0.1' 'PidFile {{Folder}}/pid' > sshd_config
            /usr/sbin/sshd -f sshd_config
            """);
        await farm.Kana.ExecAsync(
            "sh",
            "-euc",
            """
            umask 077; mkdir -p /root/.ssh; cd /root/.ssh
            printf %s "$0" > id_ed25519; printf %s "$1" > alice; printf %s "$2" > bob
            echo "coordinator $3" >> known_hosts
            """,
            File.ReadAllText($"{Folder}/colleague"),
            File.ReadAllText($"{Folder}/alice"),
            File.ReadAllText($"{Folder}/bob"),
            File.ReadAllText($"{Folder}/host.pub"));
        await WriteAsync(
            "one",
            """make "team" "read -r h < /proc/sys/kernel/hostname; echo $h > $out" [ ]""");
    }

    public async ValueTask DisposeAsync()
    {
        await farm.Coordinator.ExecAsync("sh", "-c", $"kill $(cat {Folder}/pid); rm -r {Folder}");
        await farm.Kana.ExecAsync("sh", "-c", "rm -r /root/.ssh /root/*.nix");
        session.Run("Stop-NixBuildFarm team");
        session.Dispose();
    }

    [Theory]
    [InlineData("nix build --extra-experimental-features nix-command --store ssh-ng://root@coordinator -f /root/one.nix --argstr v NONCE "
        + "--no-link")]
    [InlineData("nix-build /root/one.nix --argstr v NONCE --no-out-link --max-jobs 0 --builders 'ssh-ng://root@coordinator x86_64-linux - "
        + "4'")]
    public async Task It_is_a_store_and_a_builder_to_plain_Nix(string command)
    {
        await farm.Kana.ExecAsync("sh", "-c", command.Replace("NONCE", Guid.NewGuid().ToString(), StringComparison.Ordinal));

        var result = session.Run("Get-NixBuild -Last 1 -Result").Succeeded().Results.Single();
        Assert.Contains(result.Builder, (string[])["ruby", "aquamarine"]);
        Assert.Equal(result.Builder + "\n", File.ReadAllText(result.Output));
    }

    [Fact]
    public async Task Each_key_has_the_share_of_the_name_that_it_gives()
    {
        await WriteAsync(
            "much", """make "much" "exit 1" (builtins.genList (i: make "alice${toString i}" "sleep 2.9; echo > $out" [ ]) 100)""");
        await WriteAsync("little", """make "little" "echo > $out" [ (make "input" "echo > $out" [ ]) ]""");
        var alice = await farm.Kana.ExecAsync("sh", "-c", $"{BuildAs("alice", "much")} > /root/much.log 2>&1 & echo $!");
        await FaultyRun.UntilBuilding(farm.Ruby, "2.9")();

        await farm.Kana.ExecAsync("sh", "-c", BuildAs("bob", "little"));

        Assert.Single(session.Run("Get-NixBuild -State Running").Script.Output);
        await farm.Kana.ExecAsync("kill", alice.Trim());
    }

    [Fact]
    public async Task Its_key_opens_nothing_else()
    {
        var said = await farm.Kana.ExecAsync("sh", "-c", "ssh root@coordinator id < /dev/null 2>&1 || true");

        Assert.DoesNotContain("uid=", said);
    }

    private static string BuildAs(string name, string file) =>
        $"nix build --extra-experimental-features nix-command --store 'ssh-ng://root@coordinator?ssh-key=/root/.ssh/{name}' "
            + $"-f /root/{file}.nix --argstr v {Guid.NewGuid()} --no-link";

    /// <summary>Writes a file on the colleague's machine; within it <c>make NAME SCRIPT INPUTS</c> is a derivation.</summary>
    private Task<string> WriteAsync(string name, string expression) => farm.Kana.ExecAsync(
        "sh",
        "-c",
        "printf %s \"$0\" > /root/$1.nix",
        $$"""
        { v }: let
          make = name: script: inputs: derivation {
            inherit name v inputs; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "PATH=/bin:/usr/bin; ${script}" ];
          };
        in {{expression}}
        """,
        name);
}
