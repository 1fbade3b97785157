using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Nixos;
using NixBuildFarm.Core.Tests.Store;

namespace NixBuildFarm.Core.Tests.Builders.Nixos;

/// <summary>Modules as Nix itself evaluates them.</summary>
public sealed class NixosModuleTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_machine_means_what_NixOS_writes_of_it_to_the_list()
    {
        var builder = Assert.Single(await BuildersAsync($$"""
            { nix.buildMachines = [ {
                hostName = "ruby:2222"; protocol = "ssh-ng"; sshUser = "nix"; sshKey = "/root/.ssh/id";
                systems = [ "x86_64-linux" "riscv64-linux" ]; maxJobs = 3; speedFactor = 2.5;
                supportedFeatures = [ "kvm" ]; mandatoryFeatures = [ "benchmark" ]; publicHostKey = "{{Lists.HostKeyColumn}}";
            } ]; }
            """));

        Assert.Equal(("ruby", "ssh-ng://nix@ruby:2222", 2222, "nix"), (builder.Name, builder.Uri, builder.Port, builder.User));
        Assert.Equal(["x86_64-linux", "riscv64-linux"], builder.Systems);
        Assert.Equal(("/root/.ssh/id", 3, 2.5), (builder.IdentityFile, builder.MaxJobs, builder.SpeedFactor));
        Assert.Equal(["kvm", "benchmark"], builder.SupportedFeatures);
        Assert.Equal(["benchmark"], builder.MandatoryFeatures);
        Assert.Equal(Lists.HostKey, builder.HostKey);
        Assert.Equal($"{folder["module.nix"]}:2", builder.Source);
    }

    [Theory]
    [InlineData("""{ hostName = "ruby"; system = "a-linux"; systems = [ "b-linux" ]; }""", "ssh://ruby a-linux")]
    [InlineData("""{ hostName = "ruby"; systems = [ "b-linux" ]; protocol = null; }""", "ssh://ruby b-linux")]
    [InlineData("""{ hostName = "ruby"; systems = [ "b-linux" ]; sshUser = null; sshKey = null; publicHostKey = null; }""", "ssh://ruby b-linux")]
    [InlineData("""{ hostName = "me@ruby?remote-program=/nix-daemon"; system = "a-linux"; }""", "ssh://me@ruby?remote-program=/nix-daemon a-linux")]
    public async Task Options_have_the_defaults_and_the_precedence_of_NixOS(string machine, string expected)
    {
        var builder = Assert.Single(await BuildersAsync($"{{ nix.buildMachines = [ {machine} ]; }}"));

        Assert.Equal(expected, $"{builder.Uri} {string.Join(',', builder.Systems)}");
        Assert.Equal((1, 1.0, null, null), (builder.MaxJobs, builder.SpeedFactor, builder.IdentityFile, builder.HostKey));
    }

    [Theory]
    [InlineData("{ ... }: { nix.buildMachines = [ (MACHINE) ]; }")]
    [InlineData("{ config, lib, pkgs, ... }: { nix.buildMachines = lib.mkIf (config.nix.distributedBuilds) [ (MACHINE) ]; nix.distributedBuilds = true; }")]
    [InlineData("{ lib, ... }: { nix = lib.mkMerge [ { buildMachines = lib.mkForce [ (MACHINE) ]; } { buildMachines = [ { hostName = throw \"weaker\"; } ]; } ]; }")]
    [InlineData("{ lib, ... }: lib.mkIf true { nix.buildMachines = lib.optional true (MACHINE) ++ lib.optionals false [ 1 ]; }")]
    [InlineData("{ lib, ... }: { nix.buildMachines = map (hostName: (MACHINE) // { inherit hostName; }) (lib.unique [ \"ruby\" \"ruby\" ]); }")]
    [InlineData("{ lib, config, ... }: { options.farm.hosts = lib.mkOption { type = lib.types.listOf lib.types.str; default = [ \"ruby\" ]; }; config.nix.buildMachines = map (h: (MACHINE)) config.farm.hosts; }")]
    [InlineData("{ lib, config, ... }: { options.farm.enable = lib.mkEnableOption \"the farm\"; config = lib.mkMerge [ { farm.enable = true; } (lib.mkIf config.farm.enable { nix.buildMachines = [ (MACHINE) ]; }) ]; }")]
    [InlineData("{ imports = [ { nix.buildMachines = [ (MACHINE) ]; } ./empty.nix ]; }")]
    [InlineData("args: { nix.buildMachines = args.lib.concatMap (x: [ (MACHINE) ]) [ 1 ]; }")]
    [InlineData("{ lib, ... }: { nix.buildMachines = lib.mapAttrsToList (hostName: system: { inherit hostName system; }) { ruby = \"x86_64-linux\"; }; }")]
    public async Task A_module_may_be_written_in_any_of_the_usual_ways(string module)
    {
        File.WriteAllText(folder["empty.nix"], "{ }");

        Assert.Equal(["ruby"], (await BuildersAsync(module.Replace("MACHINE", """{ hostName = "ruby"; systems = [ "x86_64-linux" ]; }"""))).Select(b => b.Name));
    }

    [Fact]
    public async Task Imports_are_read_once_and_their_machines_come_after_the_module_s_own()
    {
        File.WriteAllText(folder["kana.nix"], """{ imports = [ ./module.nix ]; nix.buildMachines = [ { hostName = "kana"; system = "x86_64-linux"; } ]; }""");

        var builders = await BuildersAsync("""{ imports = [ ./kana.nix ./kana.nix ]; nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ]; }""");

        Assert.Equal(["ruby", "kana"], builders.Select(b => b.Name));
        Assert.EndsWith("kana.nix:1", builders[1].Source);
    }

    [Fact]
    public async Task What_the_module_says_of_ssh_goes_with_its_builders()
    {
        var builder = Assert.Single(await BuildersAsync("""
            { lib, ... }: {
              nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ];
              programs.ssh.extraConfig = lib.mkMerge [ "Host kana\n  Port 23\n" (lib.mkBefore "Host ruby\n  Port 22\n") ];
              programs.ssh.knownHosts.ruby = { extraHostNames = [ "10.0.0.1" ]; publicKey = "ssh-ed25519 AAAA\n"; };
              programs.ssh.knownHosts.ca = { hostNames = [ "*.farm" ]; certAuthority = true; publicKeyFile = ./ca.pub; };
              programs.ssh.knownHostsFiles = [ /srv/known_hosts ];
            }
            """, ("ca.pub", "ssh-ed25519 BBBB farm\n")));

        Assert.Equal("Host ruby\n  Port 22\n\nHost kana\n  Port 23\n", builder.Ssh!.Config);
        Assert.Equal(["@cert-authority *.farm ssh-ed25519 BBBB farm", "ruby,10.0.0.1 ssh-ed25519 AAAA"], builder.Ssh.KnownHosts);
        Assert.Equal(["/srv/known_hosts"], builder.Ssh.KnownHostsFiles);
    }

    [Theory]
    [InlineData("nix.settings.builders-use-substitutes = true;", true)]
    [InlineData("nix.extraOptions = ''\n  # faster\n  builders-use-substitutes = true # yes\n'';", true)]
    [InlineData("nix.settings.builders-use-substitutes = true; nix.extraOptions = \"builders-use-substitutes = false\";", false)]
    [InlineData("", null)]
    public async Task Builders_use_substitutes_where_the_module_says_so(string option, bool? expected)
    {
        var module = $$"""{ {{option}} nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ]; }""";

        Assert.Equal(expected, Assert.Single(await BuildersAsync(module)).UsesSubstitutes);
    }

    [Fact]
    public async Task The_local_machine_is_as_it_will_be_when_the_module_is_deployed()
    {
        var module = await ReadAsync("""{ nix.settings = { max-jobs = 0; system-features = [ "kvm" "nixos-test" ]; extra-platforms = [ "riscv64-linux" ]; }; }""");

        var local = BuilderInventory.Read(new NixConfiguration { System = "x86_64-linux", MaxJobs = 4 }, module).Builders[0];

        Assert.Equal(0, local.MaxJobs);
        Assert.Equal(["kvm", "nixos-test"], local.SupportedFeatures);
        Assert.Equal(["x86_64-linux", "riscv64-linux"], local.Systems);
    }

    [Theory]
    [InlineData("""{ hostName = "bad"; system = "x86_64-linux"; maxJobs = "three"; }""", "3:50: maxJobs: this is a text, and a number is expected")]
    [InlineData("""{ hostName = "bad"; system = "x86_64-linux"; maxJobs = 2.5; }""", "3:50: maxJobs: “2.5” is no number of jobs")]
    [InlineData("""{ hostName = "bad"; system = "x86_64-linux"; maxJobs = -1; }""", "3:50: maxJobs: “-1” is no number of jobs")]
    [InlineData("""{ hostName = "bad"; systems = "x86_64-linux"; }""", "3:25: systems: this is a text, and a list of texts is expected")]
    [InlineData("""{ hostName = "bad"; systems = [ "x86_64-linux" 1 ]; }""", "3:25: systems: an element of the list is no text")]
    [InlineData("""{ hostName = "bad"; }""", "3:7: systems: no system is named")]
    [InlineData("""{ system = "x86_64-linux"; }""", "3:7: hostName: there is no host name")]
    [InlineData("""{ hostname = "bad"; system = "x86_64-linux"; }""", "3:7: hostname: nix.buildMachines has no such option")]
    [InlineData("""{ hostName = "b ad"; system = "x86_64-linux"; }""", "3:7: hostName: the host “b ad” has the character “ ”")]
    [InlineData("""{ hostName = "bad"; system = "x86_64-linux"; publicHostKey = "AAAA"; }""", "3:50: publicHostKey: this is no host key")]
    [InlineData("""{ hostName = "bad"; system = "x86_64-linux"; protocol = "http"; }""", "3:7: hostName: “http://” is no place to build")]
    [InlineData("""{ hostName = "bad"; system = "x86_64-linux"; sshKey = throw "no key"; }""", "3:50: sshKey: its value cannot be evaluated")]
    [InlineData("\"bad\"", "1:1: an element of nix.buildMachines is no set")]
    public async Task A_malformed_machine_is_told_with_line_and_option_and_the_others_work(string machine, string problem)
    {
        var module = await ReadAsync($$"""
            { nix.distributedBuilds = true; nix.buildMachines = [
              { hostName = "ruby"; system = "x86_64-linux"; }
                {{machine}}
            ]; }
            """);
        var list = MachineList.FromEntries(module.Machines, Lists.Local);

        Assert.Equal(["ruby"], list.Builders.Select(b => b.Name));
        Assert.StartsWith($"{folder["module.nix"]}:{problem}", Assert.Single(list.Problems).ToString());
    }

    [Theory]
    [InlineData("{ inputs, ... }: { }", "It asks for “inputs”")]
    [InlineData("{ lib, ... }: { nix.buildMachines = lib.hydraMachines; }", "It uses “hydraMachines”")]
    [InlineData("{ config, ... }: { nix.buildMachines = config.services.farm.machines; }", "It uses “services”")]
    [InlineData("{ pkgs, ... }: { nix.settings.max-jobs = pkgs.cores; }", "Put nixpkgs in NIX_PATH")]
    [InlineData("{ modulesPath, ... }: { imports = [ (modulesPath + \"/x.nix\") ]; }", "Put nixpkgs in NIX_PATH")]
    [InlineData("{ nix.buildMachines = [ }", "nixos-rebuild would show the same")]
    public async Task What_cannot_be_evaluated_says_why_and_what_to_do(string module, string recommendation)
    {
        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => ReadAsync(module));

        Assert.Equal("NixosModuleFailed", error.Id);
        Assert.Contains($"{folder["module.nix"]}", error.Message);
        Assert.Contains(recommendation, error.Recommendation);
    }

    [Fact]
    public async Task A_module_that_is_not_there_is_an_error() => Assert.Equal(
        "NixosModuleNotFound", (await Assert.ThrowsAsync<NixBuildFarmException>(() => NixosModule.ReadAsync("/gone/module.nix", TestContext.Current.CancellationToken))).Id);

    [Fact]
    public async Task A_module_that_Nix_itself_would_not_use_is_warned_of()
    {
        var module = await ReadAsync("""{ nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ]; }""");

        Assert.Equal(("DistributedBuildsOff", ProblemSeverity.Warning), (module.Machines.Problems[0].Id, module.Machines.Problems[0].Severity));
    }

    [Fact]
    public async Task A_key_that_is_named_as_a_path_is_not_copied_into_the_store()
    {
        var key = folder["key"];
        File.WriteAllText(key, $"secret {Guid.NewGuid()}");

        var builder = Assert.Single(await BuildersAsync("""{ nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; sshKey = ./key; } ]; }"""));

        Assert.Equal(key, builder.IdentityFile);
    }

    private async Task<IReadOnlyList<NixBuilder>> BuildersAsync(string module, params (string Name, string Text)[] files)
    {
        foreach (var (name, text) in files) File.WriteAllText(folder[name], text);
        var list = MachineList.FromEntries((await ReadAsync(module)).Machines, Lists.Local);
        Assert.DoesNotContain(list.Problems, p => p.Severity == ProblemSeverity.Error);
        return list.Builders;
    }

    private Task<NixosModule> ReadAsync(string module)
    {
        var file = folder["module.nix"];
        File.WriteAllText(file, module);
        return NixosModule.ReadAsync(file, TestContext.Current.CancellationToken);
    }
}
