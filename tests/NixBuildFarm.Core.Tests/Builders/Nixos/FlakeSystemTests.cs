using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Builders.Nixos;
using NixBuildFarm.Core.Tests.Store;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Core.Tests.Builders.Nixos;

/// <summary>Whole systems of flakes, which need no nixpkgs where they bring what stands for it.</summary>
public sealed class FlakeSystemTests : IDisposable
{
    private const string Flake = """
        { outputs = self: {
            nixosConfigurations.desk.config = {
              networking.hostName = "desk";
              nix.distributedBuilds = true;
              nix.buildMachines = [ {
                hostName = "ruby"; protocol = "ssh-ng"; system = null; systems = [ "x86_64-linux" ]; sshUser = "nix"; sshKey = null; maxJobs = 4;
                speedFactor = 2; supportedFeatures = [ "kvm" ]; mandatoryFeatures = [ ]; publicHostKey = null; } ];
              nix.settings = { builders-use-substitutes = true; cores = 0; };
              programs.ssh = { extraConfig = "Host ruby\n  Port 2222\n"; knownHosts = { }; knownHostsFiles = [ ]; };
            };
            darwinConfigurations.air.config = {
              nix.distributedBuilds = true;
              nix.buildMachines = [ { hostName = "linux-builder"; sshUser = "builder"; systems = [ "aarch64-linux" ]; } ];
              environment.etc."ssh/ssh_config.d/100-linux-builder.conf".text = "Host linux-builder\n  Port 31022\n";
              environment.etc."hosts".text = throw "not asked for";
            };
        }; }
        """;

    private readonly TemporaryFolder folder = new();

    private string Root => Path.GetDirectoryName(folder["flake.nix"])!;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task The_builders_of_a_NixOS_system_are_read()
    {
        var builder = Assert.Single(await BuildersAsync("desk"));

        Assert.Equal(("ssh-ng://nix@ruby", 4, 2.0, true), (builder.Uri, builder.MaxJobs, builder.SpeedFactor, builder.UsesSubstitutes));
        Assert.Equal("Host ruby\n  Port 2222\n", builder.Ssh!.Config);
        Assert.Equal(Uri.UnescapeDataString($"path:{Root}#desk:1"), Uri.UnescapeDataString(builder.Source));
    }

    [Fact]
    public async Task The_builders_of_a_darwin_system_are_read_with_its_files_for_ssh()
    {
        var builder = Assert.Single(await BuildersAsync("air"));

        Assert.Equal("ssh://builder@linux-builder", builder.Uri);
        Assert.Equal("Host linux-builder\n  Port 31022\n", builder.Ssh!.Config);
    }

    [Fact]
    public async Task A_system_that_is_not_there_is_an_error_that_names_those_that_are()
    {
        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => BuildersAsync("disk"));

        Assert.Equal("NixosModuleFailed", error.Id);
        Assert.Contains("there is no system “disk”; the flake has: air, desk", error.Message);
    }

    [Theory]
    [InlineData(".#desk", "path:ROOT", "desk")]
    [InlineData("#desk", "path:ROOT", "desk")]
    [InlineData("ROOT#desk", "path:ROOT", "desk")]
    [InlineData("ROOT/flake.nix#desk", "path:ROOT", "desk")]
    [InlineData(".#nixosConfigurations.desk", "path:ROOT", "desk")]
    [InlineData(".#darwinConfigurations.\"air\"", "path:ROOT", "air")]
    [InlineData(".", "path:ROOT", null)]
    [InlineData("github:me/config/main#desk", "github:me/config/main", "desk")]
    [InlineData("config#desk", "config", "desk")]
    public void A_system_is_named_as_nixos_rebuild_names_it(string text, string url, string? name)
    {
        File.WriteAllText(folder["flake.nix"], Flake);

        var system = FlakeSystem.Parse(text.Replace("ROOT", Root), path => Path.GetFullPath(path, Root));

        Assert.Equal((url.Replace("ROOT", Root), name ?? FlakeSystem.ThisMachine), (Uri.UnescapeDataString(system.Url), system.Name));
    }

    [Fact]
    public void A_folder_without_a_flake_is_an_error() =>
        Assert.Equal("FlakeNotFound", Assert.Throws<NixBuildFarmException>(() => FlakeSystem.Parse(".#desk", _ => Root)).Id);

    [Fact]
    public void A_flake_in_a_repository_of_Git_is_read_from_that()
    {
        Directory.CreateDirectory(folder[".git"]);
        Directory.CreateDirectory(folder["hosts"]);

        Assert.Equal($"git+file://{Root}", Uri.UnescapeDataString(FlakeSystem.UrlOf(Root)));
        Assert.Equal($"git+file://{Root}?dir=hosts", Uri.UnescapeDataString(FlakeSystem.UrlOf(folder["hosts"])));
    }

    [Fact]
    public async Task A_module_of_a_flake_gets_its_inputs_and_itself()
    {
        File.WriteAllText(
            folder["flake.nix"], """{ outputs = self: { machines = [ { hostName = "ruby"; system = "x86_64-linux"; } ]; }; }""");
        File.WriteAllText(folder["module.nix"], """{ self, inputs, ... }: { nix.distributedBuilds = true; nix.buildMachines = if inputs ? gone then [ ] else self.machines; }""");

        var module = await NixosModule.ReadAsync(folder["module.nix"], null, TestContext.Current.CancellationToken);

        Assert.Equal(["ruby"], MachineList.FromEntries(module.Machines, Lists.Local).Builders.Select(b => b.Name));
    }

    private async Task<IReadOnlyList<NixBuilder>> BuildersAsync(string name)
    {
        File.WriteAllText(folder["flake.nix"], Flake);
        var module = await NixosModule.ReadAsync(FlakeSystem.Parse($"{Root}#{name}", path => path), TestContext.Current.CancellationToken);
        var list = MachineList.FromEntries(module.Machines, Lists.Local);
        Assert.Empty(list.Problems);
        return list.Builders;
    }
}
