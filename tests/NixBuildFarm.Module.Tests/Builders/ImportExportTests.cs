using CsCheck;

namespace NixBuildFarm.Module.Tests.Builders;

/// <summary>Import-NixBuilder and Export-NixBuilder.</summary>
[Collection(MachineGroup.Name)]
public class ImportExportTests
{
    private const string HostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEzG3g9Tb0yYx1oI1t8cC5kUqD0aQ2mUo3rX0N9rJm1w";
    private const string Described =
        "Uri, HostName, User, Port, Systems, MaxJobs, SpeedFactor, SupportedFeatures, MandatoryFeatures, IdentityFile, HostKey, Enabled";

    private static readonly string Farm = $"""
        ssh-ng://nix@aquamarine x86_64-linux,riscv64-linux /root/.ssh/id 3 1.5 kvm,big-parallel,benchmark benchmark {Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(HostKey))}
        ruby aarch64-linux
        ssh://nix@ruby:2222?remote-program=/opt/nix-daemon%20x x86_64-linux - 0
        """;

    [Theory]
    [InlineData("machines.new")]
    [InlineData("farm.toml")]
    [InlineData("farm.nix")]
    public void An_exported_builder_is_imported_unchanged(string file)
    {
        using var machine = new MachineSession(Farm);
        var before = Describe(machine, "Import-NixBuilder $args[0]", machine.Machines);

        var path = machine.WriteFile(file, "");
        Assert.Empty(machine.Run("Import-NixBuilder $args[0] | Export-NixBuilder -Path $args[1]", machine.Machines, path).Errors);

        Assert.Equal(3, before.Count);
        Assert.Equal(before, Describe(machine, "Import-NixBuilder $args[0]", path));
    }

    [Theory]
    [InlineData("machines.new")]
    [InlineData("farm.toml")]
    [InlineData("farm.nix")]
    public void Any_builder_that_can_be_written_comes_back_as_it_was_and_any_other_is_an_error(string file)
    {
        using var machine = new MachineSession();
        var path = machine.WriteFile(file, "");
        var host = Gen.Char["abcxyz-.09"].Array[1, 8].Select(c => "h" + new string(c));
        var word = Gen.Char["abc${}\"'\\#;,= -@%\n\té*["].Array[0, 10].Select(c => new string(c));
        var name = Gen.Char["abc-09"].Array[1, 6].Select(c => "f" + new string(c));
        var builders = Gen.Select(host, Gen.Int[0, 65535], word, Gen.Int[0, 50], Gen.Double[0.01, 99], name.Array[0, 3], name.Array[0, 2])
            .Array[1, 6];

        builders.Sample(
            farm =>
            {
                var objects = farm.Select(b => new Dictionary<string, object?>
                {
                    ["HostName"] = b.Item1, ["Port"] = b.Item2 == 0 ? null : b.Item2, ["IdentityFile"] = b.Item3, ["MaxJobs"] = b.Item4,
                    ["SpeedFactor"] = Math.Round(b.Item5, 3), ["SupportedFeatures"] = b.Item6.Concat(b.Item7).Distinct().ToArray(),
                    ["MandatoryFeatures"] = b.Item7.Distinct().ToArray(),
                }).ToArray();
                var before = machine.Run(
                    "$given = $args[0] | ForEach-Object { [pscustomobject] ([hashtable] $_) } | Import-NixBuilder -ErrorAction Ignore; "
                        + "$given",
                    [objects])
                    .Output.Count;
                if (File.Exists(path)) File.Delete(path);
                var written = machine.Run("$given | Export-NixBuilder -Path $args[0]", path);
                if (!File.Exists(path))
                {
                    // Nothing was left to write, and a file of nothing helps nobody.
                    Assert.Equal(before == 0 ? 0 : before + 1, written.Errors.Count);
                    return;
                }
                var after = Describe(machine, "Import-NixBuilder $args[0]", path);
                var expected = Describe(machine, "$given", path);
                // Every builder is either in the file, as it was, or an error.
                Assert.Equal(before, after.Count + written.Errors.Count);
                Assert.Subset(expected.ToHashSet(), after.ToHashSet());
            },
            iter: file.EndsWith(".nix", StringComparison.Ordinal) ? 10 : 40, threads: 1);
    }

    [Fact]
    public void A_table_of_text_keeps_every_builder_as_it_is()
    {
        using var machine = new MachineSession(Farm + "\nssh-ng://kana?max-connections=2 riscv64-linux - 2 0.5");
        // What Export-Csv and Import-Csv make of an object: the text of each property.
        const string Row =
            "ForEach-Object { $row = @{}; foreach ($p in $_.PSObject.Properties) { $row[$p.Name] = if ($null -eq $p.Value) { '' } else { "
                + "$p.Value.ToString() } }; [pscustomobject] $row }";
        var before = Describe(machine, "Get-NixBuilder -Path $args[0]", machine.Machines);

        var rows = machine.Run($"Get-NixBuilder -Path $args[0] | {Row} | Import-NixBuilder", machine.Machines);
        Assert.Empty(rows.Errors);
        Assert.Empty(rows.Warnings);

        Assert.Equal(5, before.Count);
        Assert.Equal(
            before,
            Describe(machine, $"Get-NixBuilder -Path $args[0] | {Row} | Import-NixBuilder | {Row} | Import-NixBuilder", machine.Machines));
    }

    [Fact]
    public void A_speed_may_be_written_as_the_user_s_culture_writes_it()
    {
        using var machine = new MachineSession();

        var result = machine.Run("""
            $before = [cultureinfo]::CurrentCulture
            $comma = $before.Clone(); $comma.NumberFormat.NumberDecimalSeparator = ','
            [cultureinfo]::CurrentCulture = $comma
            try { '2,5', '2.5' | ForEach-Object { [pscustomobject] @{ HostName = 'ruby'; SpeedFactor = $_ } } | Import-NixBuilder } finally { [cultureinfo]::CurrentCulture = $before }
            """);

        Assert.Empty(result.Errors);
        Assert.Equal([2.5, 2.5], result.Output.Select(b => b.Properties["SpeedFactor"].Value));
    }

    [Fact]
    public void The_type_of_a_list_in_place_of_its_items_is_told()
    {
        using var machine = new MachineSession();

        var result = machine.Run("[pscustomobject] @{ HostName = 'ruby'; Systems = 'System.String[]' } | Import-NixBuilder");

        Assert.Contains("is the type of a list", result.Warnings[0]);
        Assert.Single(result.Errors);
    }

    [Theory]
    [InlineData("out")]
    [InlineData("out.toml")]
    [InlineData("out.nix")]
    public void Nothing_is_warned_of_where_nothing_is_lost(string file)
    {
        using var machine = new MachineSession();
        var module = machine.WriteFile("farm.nix", $$"""
            { nix.distributedBuilds = true; nix.buildMachines = [ { hostName = "x"; system = "x86_64-linux"; publicHostKey = "{{Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(HostKey))}}"; } ];
              programs.ssh.extraConfig = "Host other\n  Port 23\n"; programs.ssh.knownHosts.x.publicKey = "{{HostKey}}"; }
            """);

        var result = machine.Run("Import-NixBuilder $args[0] | Export-NixBuilder -Path $args[1]", module, machine.WriteFile(file, ""));

        Assert.Empty(result.Errors);
        Assert.Empty(result.Warnings);
    }

    [Theory]
    [InlineData("out", "programs.ssh.extraConfig = \"Host x\\n  Port 23\\n\";", 1)]
    [InlineData("out.toml", "programs.ssh.extraConfig = \"Host *\\n  Port 23\\n\";", 1)]
    [InlineData("out", "programs.ssh.extraConfig = \"Compression yes\\nHost other\\n\";", 1)]
    [InlineData("out", "programs.ssh.knownHosts.x.publicKey = \"ssh-ed25519 AAAA\";", 1)]
    [InlineData("out", "programs.ssh.knownHosts.y.publicKey = \"ssh-ed25519 AAAA\";", 0)]
    [InlineData("out", "programs.ssh.extraConfig = \"Host * !x\\n  Port 23\\n\";", 0)]
    [InlineData("out.nix", "programs.ssh.extraConfig = \"Host x\\n  Port 23\\n\";", 0)]
    public void Settings_of_SSH_for_a_builder_are_warned_of_where_a_list_loses_them(string file, string option, int warnings)
    {
        using var machine = new MachineSession();
        var module = machine.WriteFile(
            "farm.nix",
            $$"""{ nix.distributedBuilds = true; nix.buildMachines = [ { hostName = "x"; system = "x86_64-linux"; } ]; {{option}} }""");

        var result = machine.Run("Import-NixBuilder $args[0] | Export-NixBuilder -Path $args[1]", module, machine.WriteFile(file, ""));

        Assert.Empty(result.Errors);
        Assert.Equal(warnings, result.Warnings.Count);
        Assert.All(result.Warnings, warning => Assert.Contains("settings of SSH", warning));
    }

    [Fact]
    public void A_key_whose_path_has_a_blank_is_named_when_a_list_cannot_hold_it()
    {
        using var machine = new MachineSession();

        var result = machine.Run(
            "[pscustomobject] @{ HostName = 'ruby'; IdentityFile = '/my keys/id' } | Export-NixBuilder $args[0]",
            machine.WriteFile("out", ""));

        Assert.Contains("the path of its key has a blank", result.Errors[0].ToString());
    }

    [Fact]
    public void Arguments_of_a_module_can_be_given()
    {
        using var machine = new MachineSession();
        var module = machine.WriteFile("farm.nix", """{ hosts, inputs, ... }: { nix.distributedBuilds = true; nix.buildMachines = map (hostName: { inherit hostName; inherit (inputs) system; }) hosts; }""");
        const string Argument = "@{ hosts = 'ruby', 'kana'; inputs = @{ system = 'x86_64-linux' } }";

        Assert.Equal(["ruby", "kana"], machine.Names($"Import-NixBuilder {module} -Argument {Argument}"));
        Assert.Equal(["local", "ruby", "kana"], machine.Names($"Get-NixBuilder -NixosModule {module} -Argument {Argument}"));
    }

    [Fact]
    public void A_table_becomes_a_machines_list()
    {
        using var machine = new MachineSession();
        var path = machine.WriteFile("machines.new", "");

        machine.Run("""
            @([pscustomobject] @{ HostName = 'ruby'; User = 'nix'; Systems = 'x86_64-linux;aarch64-linux'; MaxJobs = '3'; SpeedFactor = ''; Owner = 'me' }
              [pscustomobject] @{ Name = 'kana'; Port = '2222'; System = 'riscv64-linux'; IdentityFile = '/root/id'; SpeedFactor = '0.5'; Enabled = 'yes' }
              [pscustomobject] @{ Uri = 'ssh://old'; Systems = @('x86_64-linux'); MandatoryFeatures = 'kvm' }) | Export-NixBuilder -Path $args[0]
            """, path);

        Assert.Equal(
            "ssh-ng://nix@ruby x86_64-linux,aarch64-linux - 3 1\nssh-ng://kana:2222 riscv64-linux /root/id 1 0.5\nssh://old x86_64-linux "
                + "- 1 1 - kvm\n",
            File.ReadAllText(path));
    }

    [Fact]
    public void A_bad_row_is_an_error_that_says_which_and_the_others_are_used()
    {
        using var machine = new MachineSession();

        var result = machine.Run("@{ HostName = 'ruby'; MaxJobs = 'many' }, @{ HostName = 'kana'; MaxJob = 3 }, @{ Owner = 'me' } "
            + "| ForEach-Object { [pscustomobject] $_ } | Import-NixBuilder");

        Assert.Equal(["kana"], result.Output.Select(b => b.ToString()));
        Assert.Equal(
            ["pipeline:3:1: Uri: the builder's address is missing", "pipeline:1:1: MaxJobs: “many” is no number of jobs"],
            result.Errors.Select(e => e.ToString()).OrderDescending());
        Assert.Contains("Did you mean MaxJobs?", Assert.Single(result.Warnings));
    }

    [Fact]
    public void Builders_are_written_as_they_will_be_used()
    {
        using var machine = new MachineSession("ruby - - 2 1\nkana - - 3 1");
        var path = machine.WriteFile("out", "");

        var result = machine.Run(
            "Set-NixBuilderPolicy ruby -MaxJobs 8; Set-NixBuilderPolicy kana -Enabled $false; Export-NixBuilder $args[0]", path);

        Assert.Equal("ssh://ruby x86_64-linux - 8 1\n", File.ReadAllText(path));
        Assert.Contains("kana is left out: it is disabled", Assert.Single(result.Warnings));
    }

    [Fact]
    public void A_builder_that_is_disabled_stays_so_in_TOML()
    {
        using var machine = new MachineSession("ruby\nkana");
        var path = machine.WriteFile("out.toml", "");

        machine.Run("Set-NixBuilderPolicy kana -Enabled $false; Export-NixBuilder $args[0]", path);

        Assert.Equal([true, false], machine.Values($"Import-NixBuilder {path}", "Enabled"));
    }

    [Theory]
    [InlineData("Export-NixBuilder {0} -WhatIf")]
    [InlineData("Export-NixBuilder {0} -NoClobber")]
    [InlineData("@() | Export-NixBuilder {0}")]
    [InlineData("Get-NixBuilder topaz* | Export-NixBuilder {0}")]
    [InlineData("Export-NixBuilder {0}/no/folder")]
    public void A_file_that_shall_not_or_cannot_be_written_stays_as_it_is(string command)
    {
        using var machine = new MachineSession("ruby");
        var path = machine.WriteFile("kept", "mine");

        machine.Run(string.Format(command, path));

        Assert.Equal("mine", File.ReadAllText(path));
    }

    [Fact]
    public void A_list_is_never_replaced_by_nothing()
    {
        using var machine = new MachineSession();
        var path = machine.WriteFile("kept", "ruby");

        var result = machine.Run("Export-NixBuilder $args[0]", path);

        Assert.StartsWith("NoBuilder", Assert.Single(result.Errors).FullyQualifiedErrorId);
        Assert.Equal("ruby", File.ReadAllText(path));
    }

    [Fact]
    public void Two_builders_of_one_name_are_not_written_as_one()
    {
        using var machine = new MachineSession("ruby");
        var (other, path) = (machine.WriteFile("other", "ssh-ng://nix@10.0.0.1"), machine.WriteFile("out.toml", ""));

        var result = machine.Run(
            "@(Import-NixBuilder $args[0]; [pscustomobject] @{ Name = '10.0.0.1'; Uri = 'ssh://10.0.0.2' }) | Export-NixBuilder $args[1]",
            other,
            path);

        Assert.StartsWith("DuplicateBuilder", Assert.Single(result.Errors).FullyQualifiedErrorId);
        Assert.Equal(["ssh-ng://nix@10.0.0.1"], machine.Values($"Import-NixBuilder {path}", "Uri"));
    }

    [Fact]
    public void A_file_keeps_its_permissions_and_a_link_stays_one()
    {
        using var machine = new MachineSession("ruby");
        var path = machine.WriteFile("target", "");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        var link = Path.Combine(Path.GetDirectoryName(path)!, "link");
        File.CreateSymbolicLink(link, path);

        Assert.Empty(machine.Run("Export-NixBuilder $args[0]", link).Errors);

        Assert.Equal(path, new FileInfo(link).LinkTarget);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(path));
        Assert.StartsWith("ssh://ruby", File.ReadAllText(path));
    }

    [Fact]
    public void A_module_takes_its_settings_for_SSH_with_it()
    {
        using var machine = new MachineSession();
        var module = machine.WriteFile("farm.nix", $$"""
            { nix.distributedBuilds = true; nix.settings.builders-use-substitutes = true;
              nix.buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ];
              programs.ssh.extraConfig = "Host ruby\n  HostName 10.0.0.1\n  # \${not} \"quoted\"";
              programs.ssh.knownHosts.ruby.publicKey = "{{HostKey}}";
              programs.ssh.knownHosts.ca = { hostNames = [ "*.farm" "b" ]; certAuthority = true; publicKey = "{{HostKey}}"; }; }
            """);
        var copy = machine.WriteFile("copy.nix", "");

        Assert.Empty(machine.Run("Import-NixBuilder $args[0] | Export-NixBuilder $args[1]", module, copy).Errors);

        Assert.Equal(Ssh(module), Ssh(copy));

        string Ssh(string file) =>
            string.Join(
                '\n',
                machine.Run("$b = Import-NixBuilder $args[0]; $b.Ssh.Config; $b.Ssh.KnownHosts; \"$($b.UsesSubstitutes)\"", file).Output);
    }

    private static List<string> Describe(MachineSession machine, string command, string path) =>
        [
            .. machine.Run(
                $"{command} | ForEach-Object {{ $b = $_; \"$(('{Described}' -split ', ').ForEach{{ \"$_=$($b.$_ -join ',')\" }})\" }}",
                path)
                .Output.Select(o => o.ToString())
                .Order(),
        ];
}
