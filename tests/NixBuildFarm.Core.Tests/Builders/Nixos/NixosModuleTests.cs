using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Builders.Nixos;
using NixBuildFarm.Core.Tests.Store;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Core.Tests.Builders.Nixos;

/// <summary>Modules as Nix itself evaluates them.</summary>
public sealed class NixosModuleTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_builder_means_what_NixOS_writes_of_it_to_the_list()
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
    [InlineData(
        """{ hostName = "ruby"; systems = [ "b-linux" ]; sshUser = null; sshKey = null; publicHostKey = null; }""", "ssh://ruby b-linux")]
    [InlineData(
        """{ hostName = "me@ruby?remote-program=/nix-daemon"; system = "a-linux"; }""", "ssh://me@ruby?remote-program=/nix-daemon a-linux")]
    public async Task Options_have_the_defaults_and_the_precedence_of_NixOS(string machine, string expected)
    {
        var builder = Assert.Single(await BuildersAsync($"{{ nix.buildMachines = [ {machine} ]; }}"));

        Assert.Equal(expected, $"{builder.Uri} {string.Join(',', builder.Systems)}");
        Assert.Equal((1, 1.0, null, null), (builder.MaxJobs, builder.SpeedFactor, builder.IdentityFile, builder.HostKey));
    }

    [Theory]
    [InlineData("{ ... }: { nix.buildMachines = [ (MACHINE) ]; }")]
    [InlineData("{ config, lib, pkgs, ... }: { nix.buildMachines = lib.mkIf (config.nix.distributedBuilds) [ (MACHINE) ]; "
        + "nix.distributedBuilds = true; }")]
    [InlineData("{ lib, ... }: { nix = lib.mkMerge [ { buildMachines = lib.mkForce [ (MACHINE) ]; } { buildMachines = [ { hostName = "
        + "throw \"weaker\"; } ]; } ]; }")]
    [InlineData("{ lib, ... }: lib.mkIf true { nix.buildMachines = lib.optional true (MACHINE) ++ lib.optionals false [ 1 ]; }")]
    [InlineData("{ lib, ... }: { nix.buildMachines = map (hostName: (MACHINE) // { inherit hostName; }) (lib.unique [ \"ruby\" \"ruby\" "
        + "]); }")]
    [InlineData("{ lib, config, ... }: { options.farm.hosts = lib.mkOption { type = lib.types.listOf lib.types.str; default = [ \"ruby\" "
        + "]; }; config.nix.buildMachines = map (h: (MACHINE)) config.farm.hosts; }")]
    [InlineData("{ lib, config, ... }: { options.farm.enable = lib.mkEnableOption \"the farm\"; config = lib.mkMerge [ { farm.enable = "
        + "true; } (lib.mkIf config.farm.enable { nix.buildMachines = [ (MACHINE) ]; }) ]; }")]
    [InlineData("{ imports = [ { nix.buildMachines = [ (MACHINE) ]; } ./empty.nix ]; }")]
    [InlineData("args: { nix.buildMachines = args.lib.concatMap (x: [ (MACHINE) ]) [ 1 ]; }")]
    [InlineData("{ lib, ... }: { nix.buildMachines = lib.mapAttrsToList (hostName: system: { inherit hostName system; }) { ruby = "
        + "\"x86_64-linux\"; }; }")]
    public async Task A_module_may_be_written_in_any_of_the_usual_ways(string module)
    {
        File.WriteAllText(folder["empty.nix"], "{ }");

        Assert.Equal(
            ["ruby"],
            (await BuildersAsync(module.Replace("MACHINE", """{ hostName = "ruby"; systems = [ "x86_64-linux" ]; }""")))
                .Select(b => b.Name));
    }

    [Fact]
    public async Task Imports_are_read_once_and_their_builders_come_after_the_module_s_own()
    {
        File.WriteAllText(
            folder["kana.nix"],
            """{ imports = [ ./module.nix ]; nix.buildMachines = [ { hostName = "kana"; system = "x86_64-linux"; } ]; }""");

        var builders = await BuildersAsync("""{ imports = [ ./kana.nix ./kana.nix ]; nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ]; }""");

        Assert.Equal(["ruby", "kana"], builders.Select(b => b.Name));
        Assert.EndsWith("kana.nix:1", builders[1].Source);
    }

    [Fact]
    public async Task The_modules_ssh_settings_go_with_its_builders()
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
    [InlineData(
        """{ hostName = "bad"; system = "x86_64-linux"; maxJobs = "three"; }""", "3:50: maxJobs: this is a text, and a number is expected")]
    [InlineData("""{ hostName = "bad"; system = "x86_64-linux"; maxJobs = 2.5; }""", "3:50: maxJobs: “2.5” is no number of jobs")]
    [InlineData("""{ hostName = "bad"; system = "x86_64-linux"; maxJobs = -1; }""", "3:50: maxJobs: “-1” is no number of jobs")]
    [InlineData("""{ hostName = "bad"; systems = "x86_64-linux"; }""", "3:25: systems: this is a text, and a list of texts is expected")]
    [InlineData("""{ hostName = "bad"; systems = [ "x86_64-linux" 1 ]; }""", "3:25: systems: an element of the list is no text")]
    [InlineData("""{ hostName = "bad"; }""", "3:7: systems: no system is named")]
    [InlineData("""{ system = "x86_64-linux"; }""", "3:7: hostName: there is no host name")]
    [InlineData("""{ hostname = "bad"; system = "x86_64-linux"; }""", "3:7: hostname: a builder has no such option")]
    [InlineData("""{ hostName = "b ad"; system = "x86_64-linux"; }""", "3:7: hostName: the host “b ad” has the character “ ”")]
    [InlineData("""{ hostName = "bad"; system = "x86_64-linux"; publicHostKey = "AAAA"; }""", "3:50: publicHostKey: this is no host key")]
    [InlineData("""{ hostName = "bad"; system = "x86_64-linux"; protocol = "http"; }""", "3:7: hostName: “http://” is no place to build")]
    [InlineData("""{ hostName = throw "no name"; system = "x86_64-linux"; }""", "3:7: hostName: its value cannot be evaluated: no name")]
    [InlineData("\"bad\"", "1:1: nix.buildMachines.1 is no set")]
    public async Task A_malformed_builder_is_told_with_line_and_option_and_the_others_work(string machine, string problem)
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
    [InlineData("{ hosts, ... }: { nix.buildMachines = hosts; }", "-Argument @{ hosts = '…' }")]
    [InlineData(
        "{ lib, hostname, ... }: { nix.buildMachines = lib.filter (m: m.hostName != hostname) [ { hostName = \"ruby\"; } ]; }",
        "-Argument @{ hostname = '…' }")]
    [InlineData("{ lib, ... }: { nix.buildMachines = lib.hydraMachines; }", "It uses “hydraMachines”")]
    [InlineData("{ config, ... }: { nix.buildMachines = config.services.farm.machines; }", "It uses “farm”")]
    [InlineData("{ pkgs, ... }: { nix.buildMachines = pkgs.machines; }", "Put nixpkgs in NIX_PATH")]
    [InlineData("{ config, ... }: { nix.buildMachines = config.nix.buildMachines; }", "An option depends on itself")]
    [InlineData("{ nix.buildMachines = [ }", "nixos-rebuild would show the same")]
    public async Task A_module_that_cannot_be_evaluated_says_why_and_what_to_do(string module, string recommendation)
    {
        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => ReadAsync(module));

        Assert.Equal("NixosModuleFailed", error.Id);
        Assert.Contains($"{folder["module.nix"]}", error.Message);
        Assert.Contains(recommendation, error.Recommendation);
    }

    [Fact]
    public async Task A_module_that_is_not_there_is_an_error() => Assert.Equal(
        "NixosModuleNotFound",
        (
            await Assert.ThrowsAsync<NixBuildFarmException>(
                () => NixosModule.ReadAsync("/gone/module.nix", null, TestContext.Current.CancellationToken)))
            .Id);

    [Fact]
    public async Task A_module_that_Nix_itself_would_not_use_is_warned_of()
    {
        var module = await ReadAsync("""{ nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ]; }""");

        Assert.Equal(
            ("DistributedBuildsOff", ProblemSeverity.Warning), (module.Machines.Problems[0].Id, module.Machines.Problems[0].Severity));
    }

    [Fact]
    public async Task A_key_that_is_named_as_a_path_is_not_copied_into_the_store()
    {
        var key = folder["key"];
        File.WriteAllText(key, $"secret {Guid.NewGuid()}");

        var builder = Assert.Single(
            await BuildersAsync("""{ nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; sshKey = ./key; } ]; }"""));

        Assert.Equal(key, builder.IdentityFile);
    }

    [Fact]
    public async Task A_field_that_cannot_be_had_costs_that_field_and_is_a_warning()
    {
        var list = List(await ReadAsync("""
            { config, ... }: { nix.distributedBuilds = true; nix.buildMachines = [
              { hostName = "ruby"; system = "x86_64-linux"; sshKey = config.age.secrets.builder.path; maxJobs = config.gone; }
              { hostName = "kana"; system = "x86_64-linux"; sshKey = throw "no key"; }
            ]; }
            """));

        Assert.Equal(["ruby", "kana"], list.Builders.Select(b => b.Name));
        Assert.All(list.Builders, builder => Assert.Equal((null, 1), (builder.IdentityFile, builder.MaxJobs)));
        Assert.Equal(
            [
                (2, "maxJobs", "its value cannot be evaluated, and the builder is used without it: attribute 'gone' missing"),
                (2, "sshKey", "its value cannot be evaluated, and the builder is used without it: attribute 'builder' missing"),
                (3, "sshKey", "its value cannot be evaluated, and the builder is used without it: no key"),
            ],
            list.Problems.Select(p => (p.Line, p.Field!, p.Message)).Order());
        Assert.All(list.Problems, p => Assert.Equal((ProblemSeverity.Warning, "OptionNotEvaluated"), (p.Severity, p.Id)));
    }

    [Fact]
    public async Task A_setting_or_host_key_that_cannot_be_had_costs_no_builder()
    {
        var list = List(await ReadAsync("""
            { config, ... }: { nix.distributedBuilds = true; nix.settings.max-jobs = config.cores; programs.ssh.knownHosts.ruby.publicKey = config.key;
              nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ]; }
            """));

        Assert.Equal(["ruby"], list.Builders.Select(b => b.Name));
        Assert.Equal(
            [
                "nix.settings.max-jobs cannot be evaluated, and is left out: attribute 'cores' missing",
                "programs.ssh.knownHosts.ruby cannot be evaluated, and is left out: attribute 'key' missing",
            ],
            list.Problems.Select(p => p.Message));
    }

    [Theory]
    [InlineData("sops.secrets.key = { }; ", "config.sops.secrets.key.path", "/run/secrets/key")]
    [InlineData("sops.secrets.key.neededForUsers = true; ", "config.sops.secrets.key.path", "/run/secrets-for-users/key")]
    [InlineData("sops.secrets.key.path = \"/root/key\"; ", "config.sops.secrets.key.path", "/root/key")]
    [InlineData("age.secrets.key.file = ./key.age; ", "config.age.secrets.key.path", "/run/agenix/key")]
    public async Task Secrets_have_the_paths_of_sops_and_agenix(string secret, string path, string expected)
    {
        var builder = Assert.Single(await BuildersAsync($$"""{ config, ... }: { {{secret}}nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; sshKey = {{path}}; } ]; }"""));

        Assert.Equal(expected, builder.IdentityFile);
    }

    [Fact]
    public async Task The_host_name_is_that_of_this_machine_unless_it_is_set()
    {
        const string Others = """nix.buildMachines = builtins.filter (m: m.hostName != config.networking.hostName) [ { hostName = "ruby"; system = "x86_64-linux"; } { hostName = "THIS"; system = "x86_64-linux"; } ];""";

        Assert.Equal(
            ["ruby"],
            (await BuildersAsync($$"""{ config, ... }: { {{Others.Replace("THIS", FlakeSystem.ThisMachine)}} }""")).Select(b => b.Name));
        Assert.Equal(
            ["ruby"], (await BuildersAsync($$"""{ config, ... }: { networking.hostName = "THIS"; {{Others}} }""")).Select(b => b.Name));
    }

    [Theory]
    [InlineData("{ lib, resources, inputs, self, ... }: { nix.buildMachines = [ (MACHINE) ]; }")]
    [InlineData("{ options, lib, ... }: { nix = lib.optionalAttrs (!(options.services ? farm) && options ? nix && options.nix ? "
        + "buildMachines) { buildMachines = [ (MACHINE) ]; }; }")]
    [InlineData("{ lib, ... }: { imports = [ ./empty.nix ./off.nix ]; disabledModules = [ ./off.nix ]; nix.buildMachines = [ (MACHINE) ]; "
        + "}")]
    [InlineData("{ modulesPath, ... }: { imports = [ (modulesPath + \"/installer/scan/not-detected.nix\") "
        + "\"${modulesPath}/profiles/headless.nix\" ]; nix.buildMachines = [ (MACHINE) ]; }")]
    [InlineData("{ pkgs, ... }: { environment.systemPackages = [ pkgs.hello ]; boot.kernelPackages = pkgs.linuxPackages; "
        + "nix.buildMachines = [ ((MACHINE) // { systems = [ pkgs.stdenv.hostPlatform.system ]; }) ]; }")]
    [InlineData("{ lib, ... }: { nix.buildMachines = lib.lists.forEach (lib.importJSON ./hosts.json) (h: { inherit (h) hostName systems; "
        + "}); }")]
    [InlineData("{ lib, ... }: { nix.buildMachines = lib.attrsets.mapAttrsToList (hostName: systems: { inherit hostName systems; }) "
        + "(lib.strings.fromJSON (lib.fileContents ./set.json)); }")]
    [InlineData("{ lib, config, ... }: { options.farm = lib.mkOption { default = { }; type = with lib.types; attrsOf (submodule ({ name, "
        + "config, ... }: { options = { host = lib.mkOption { type = str; default = name; }; systems = lib.mkOption { type = either str "
        + "(listOf str); default = [ \"x86_64-linux\" ]; }; }; })); }; config = { farm.ruby = { }; nix.buildMachines = map (m: { hostName "
        + "= m.host; inherit (m) systems; }) (lib.attrValues config.farm); }; }")]
    [InlineData("{ lib, config, ... }: { options.host = lib.mkOption { type = lib.types.nullOr lib.types.str; default = null; apply = h: "
        + "if h == null then \"ruby\" else h; }; config.nix.buildMachines = [ ((MACHINE) // { hostName = config.host; }) ]; }")]
    [InlineData("{ lib, config, ... }: { options.hosts = lib.mkOption { type = lib.types.listOf (lib.types.submodule { options.name = "
        + "lib.mkOption { default = \"ruby\"; }; }); default = [ { } ]; }; config.nix.buildMachines = map (h: (MACHINE) // { hostName = "
        + "h.name; }) config.hosts; }")]
    [InlineData("{ lib, config, ... }: { _module.args.hosts = [ \"ruby\" ]; imports = [ ({ hosts, ... }: { nix.buildMachines = map "
        + "(hostName: (MACHINE) // { inherit hostName; }) hosts; }) ]; }")]
    [InlineData("{ lib, config, ... }: lib.mkMerge [ (lib.mkIf config.farm { nix.buildMachines = lib.mkDefault [ (MACHINE) ]; }) { farm = "
        + "true; } ]")]
    public async Task A_module_of_a_whole_configuration_is_read_as_far_as_builders_go(string module)
    {
        const string Machine = """{ hostName = "ruby"; systems = [ "x86_64-linux" ]; }""";

        var builders = await BuildersAsync(
            module.Replace("MACHINE", Machine), ("empty.nix", "{ }"),
            ("off.nix", """{ nix.buildMachines = [ { hostName = "off"; system = "x86_64-linux"; } ]; }"""),
            ("hosts.json", """[ { "hostName": "ruby", "systems": [ "x86_64-linux" ] } ]"""),
            ("set.json", """{ "ruby": [ "x86_64-linux" ] }"""));

        Assert.Equal(["ruby"], builders.Select(b => b.Name));
        Assert.Equal(["x86_64-linux"], builders[0].Systems);
    }

    [Fact]
    public async Task Arguments_of_the_whole_configuration_can_be_given()
    {
        var module = await ReadAsync(
            """{ lib, hostname, inputs, ... }: { nix.buildMachines = lib.filter (m: m.hostName != hostname) [ { hostName = "ruby"; system = inputs.system; } { hostName = "kana"; system = "b-linux"; } ]; }""",
            """{ hostname = "kana"; inputs = { system = "a-linux"; }; }""");

        Assert.Equal(["ruby a-linux"], List(module).Builders.Select(b => $"{b.Name} {b.Systems}"));
    }

    [Fact]
    public async Task The_setting_builders_is_a_machines_list()
    {
        var list = List(await ReadAsync("""{ nix.settings.builders = "ssh-ng://nix@aquamarine x86_64-linux - 4 ; ruby aarch64-linux, riscv64-linux"; }"""));

        Assert.Equal(["ssh-ng://nix@aquamarine 4", "ssh://ruby 1"], list.Builders.Select(b => $"{b.Uri} {b.MaxJobs}"));
        Assert.Equal("BlankAfterComma", Assert.Single(list.Problems).Id);
        Assert.Equal($"nix.settings.builders of {folder["module.nix"]}:1", list.Builders[0].Source);
    }

    [Fact]
    public async Task The_setting_builders_may_stand_in_extraOptions_and_the_file_of_NixOS_itself_is_no_other_list()
    {
        Assert.Equal(["ruby"], List(await ReadAsync("""{ nix.extraOptions = "builders = ssh://ruby"; }""")).Builders.Select(b => b.Name));
        Assert.Equal(
            ["ruby"],
            List(await ReadAsync("""{ nix.settings.builders = "@/etc/nix/machines"; nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ]; }""")).Builders.Select(b => b.Name));
    }

    [Fact]
    public async Task Builders_of_Lix_are_read_with_the_keys_of_its_list()
    {
        var list = List(await ReadAsync($$"""
            { lix.buildMachines.machines = {
                workshop = { uri = "ssh-ng://nix@ruby"; system-types = [ "x86_64-linux" ]; jobs = 3; speed-factor = 1.5; supported-features = [ "kvm" ];
                  ssh-key = "/root/id"; ssh-public-host-key = "{{Lists.HostKey}}"; mandatory-features = null; };
                attic = { uri = "ssh-ng://kana"; enable = false; };
                bad = { uri = "ssh://bad"; cores = 3; };
            }; }
            """));

        Assert.Equal(["attic", "workshop"], list.Builders.Select(b => b.Name));
        Assert.Equal([false, true], list.Builders.Select(b => b.Enabled));
        var builder = list.Builders[1];
        Assert.Equal(
            ("ssh-ng://nix@ruby", 3, 1.5, "/root/id", Lists.HostKey),
            (builder.Uri, builder.MaxJobs, builder.SpeedFactor, builder.IdentityFile, builder.HostKey));
        Assert.Equal(["kvm"], builder.SupportedFeatures);
        Assert.Equal(("UnknownOption", "cores"), (list.Problems[0].Id, Assert.Single(list.Problems).Field));
    }

    [Fact]
    public async Task The_list_that_Lix_makes_of_its_builders_is_no_other_list()
    {
        var list = List(await ReadAsync("""{ nix.settings.builders = "@/nix/store/0-machines.toml"; lix.buildMachines.machines.ruby.uri = "ssh://ruby"; }"""));

        Assert.Equal(["ruby"], list.Builders.Select(b => b.Name));
        Assert.Empty(list.Problems);
    }

    [Fact]
    public async Task The_virtual_machine_of_nix_darwin_is_a_builder()
    {
        var builder = Assert.Single(
            await BuildersAsync("{ nix.linux-builder = { enable = true; maxJobs = 4; systems = [ \"aarch64-linux\" ]; }; }"));

        Assert.Equal(
            ("linux-builder", "ssh-ng://builder@linux-builder", 4, "/etc/nix/builder_ed25519", true),
            (builder.Name, builder.Uri, builder.MaxJobs, builder.IdentityFile, builder.UsesSubstitutes));
        Assert.Equal(["aarch64-linux"], builder.Systems);
        Assert.Equal(["kvm", "benchmark", "big-parallel"], builder.SupportedFeatures);
        Assert.StartsWith("ssh-ed25519 ", builder.HostKey);
        Assert.Contains("Port 31022", builder.Ssh!.Config);
    }

    [Fact]
    public async Task The_ssh_settings_of_home_manager_for_root_go_with_the_builders()
    {
        var builder = Assert.Single(await BuildersAsync("""
            { nix.distributedBuilds = true; nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ];
              home-manager.users.root.programs.ssh.matchBlocks = { ruby = { user = "nix"; port = 2222; identitiesOnly = true; identityFile = [ "~/a" "~/b" ]; extraOptions.Ciphers = "x"; }; }; }
            """));

        Assert.Equal(
            "Host ruby\n  IdentitiesOnly yes\n  IdentityFile ~/a\n  IdentityFile ~/b\n  Port 2222\n  User nix\n  Ciphers x\n",
            builder.Ssh!.Config);
    }

    [Theory]
    [InlineData("{ resources, config, ... }: { }", "Name the module that has them")]
    [InlineData("{ nix.settings.trusted-users = [ \"me\" ]; nix.distributedBuilds = true; }", "Name the module that has them")]
    [InlineData(
        "{ config, lib, ... }: { options.my.farm.enable = lib.mkEnableOption \"it\"; config = lib.mkIf config.my.farm.enable { "
            + "nix.buildMachines = [ { hostName = \"ruby\"; } ]; }; }",
        "my.farm.enable")]
    [InlineData("{ flake.nixosModules.farm = { nix.buildMachines = [ { hostName = \"ruby\"; } ]; }; }", "-Flake .#HOST")]
    public async Task A_file_with_no_builders_says_that_and_nothing_else(string text, string recommendation)
    {
        var list = List(await ReadAsync(text));

        Assert.Empty(list.Builders);
        var problem = Assert.Single(list.Problems);
        Assert.Equal((ProblemSeverity.Warning, "NoBuilders"), (problem.Severity, problem.Id));
        Assert.Contains(recommendation, problem.Recommendation);
    }

    [Fact]
    public async Task A_flake_is_no_module_and_a_folder_is_its_default()
    {
        File.WriteAllText(folder["flake.nix"], "{ outputs = _: { }; }");
        File.WriteAllText(folder["default.nix"], """{ nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ]; }""");
        var cancellation = TestContext.Current.CancellationToken;

        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => NixosModule.ReadAsync(folder["flake.nix"], null, cancellation));

        Assert.Equal("NixosModuleIsFlake", error.Id);
        Assert.Contains("-Flake", error.Recommendation);
        Assert.Equal(
            ["ruby"],
            List(await NixosModule.ReadAsync(Path.GetDirectoryName(folder["flake.nix"])!, null, cancellation))
                .Builders.Select(b => b.Name));
    }

    [Theory]
    [InlineData("{ lib, ... }: { options.nix.buildMachines = lib.mkOption { type = lib.types.listOf lib.types.raw; default = [ { hostName "
        + "= \"ruby\"; system = \"x86_64-linux\"; } ]; }; }")]
    [InlineData("{ lib, ... }: { options.sops.secrets = lib.mkOption { type = lib.types.attrsOf lib.types.raw; }; "
        + "config.nix.buildMachines = [ { hostName = \"ruby\"; system = \"x86_64-linux\"; } ]; }")]
    public async Task An_option_that_the_module_declares_is_not_declared_twice(string module) =>
        Assert.Equal(["ruby"], (await BuildersAsync(module)).Select(b => b.Name));

    private async Task<IReadOnlyList<NixBuilder>> BuildersAsync(string module, params (string Name, string Text)[] files)
    {
        foreach (var (name, text) in files) File.WriteAllText(folder[name], text);
        var list = List(await ReadAsync(module));
        Assert.DoesNotContain(list.Problems, p => p.Severity == ProblemSeverity.Error);
        return list.Builders;
    }

    private static MachineList List(NixosModule module) => MachineList.FromModule(module, Lists.Local, _ => null, null);

    private Task<NixosModule> ReadAsync(string module, string? arguments = null)
    {
        var file = folder["module.nix"];
        File.WriteAllText(file, module);
        return NixosModule.ReadAsync(file, arguments, TestContext.Current.CancellationToken);
    }
}
