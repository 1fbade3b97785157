using NixBuildFarm.Farm.Tests.Builds;
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
            ssh-keygen -q -t ed25519 -N '' -f host
            ssh-keygen -q -t ed25519 -N '' -f colleague
            echo "restrict,command=\"NIX_REMOTE={{address}} nix-daemon --stdio\" $(cat colleague.pub)" > keys
            printf '%s\n' 'HostKey {{Folder}}/host' 'AuthorizedKeysFile {{Folder}}/keys' 'PermitRootLogin yes' 'StrictModes no' 'UsePAM no' \
              'ListenAddress 10.77.0.1' 'PidFile {{Folder}}/pid' > sshd_config
            /usr/sbin/sshd -f sshd_config
            """);
        var (key, host) = (File.ReadAllText($"{Folder}/colleague"), File.ReadAllText($"{Folder}/host.pub"));
        await farm.Kana.ExecAsync(
            "sh",
            "-c",
            "mkdir -p /root/.ssh; printf %s \"$0\" > /root/.ssh/id_ed25519; chmod 600 /root/.ssh/id_ed25519; echo \"coordinator $1\" >> "
                + "/root/.ssh/known_hosts",
            key,
            host);
        await farm.Kana.ExecAsync("sh", "-c", "cat > /root/one.nix <<'N'\n" + """
            { v }: derivation { name = "team"; inherit v; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "read -r h < /proc/sys/kernel/hostname; echo $h > $out" ]; }
            """ + "\nN");
    }

    public async ValueTask DisposeAsync()
    {
        await farm.Coordinator.ExecAsync("sh", "-c", $"kill $(cat {Folder}/pid); rm -r {Folder}");
        await farm.Kana.ExecAsync("rm", "-r", "/root/.ssh", "/root/one.nix");
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
    public async Task Its_key_opens_nothing_else()
    {
        var said = await farm.Kana.ExecAsync("sh", "-c", "ssh root@coordinator id < /dev/null 2>&1 || true");

        Assert.DoesNotContain("uid=", said);
    }
}
