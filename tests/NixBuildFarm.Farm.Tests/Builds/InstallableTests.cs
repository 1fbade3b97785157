using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>What a name of the user means: which derivations of a set, and which outputs of a derivation.</summary>
public sealed class InstallableTests : IDisposable
{
    private readonly TestFarm farm;
    private readonly BuildSession session = new();

    public InstallableTests(TestFarm farm)
    {
        this.farm = farm;
        session.Write("parts", """
            rec {
              named = system: name: attrs { inherit system; } name "echo > $out" [ ];
              several = attrs { outputs = [ "out" "dev" "doc" ]; } "several" "echo > $out; echo > $dev; echo > $doc" [ ];
              checks = {
                x86_64-linux = { unit = named "x86_64-linux" "unit"; nested = { one = named "x86_64-linux" "one"; two = named "x86_64-linux" "two"; }; };
                aarch64-darwin = throw "not looked at";
              };
              mixed = { it = named "x86_64-linux" "it"; config = { port = 80; hidden = named "x86_64-linux" "hidden"; }; entered = { recurseForDerivations = true; text = ""; deep = named "x86_64-linux" "deep"; }; left = { recurseForDerivations = false; no = named "x86_64-linux" "no"; }; };
              foreign = { aarch64-darwin.unit = named "aarch64-darwin" "unit"; };
            }
            """);
        File.WriteAllText(Path.Combine(session.Folder, "flake.nix"), """
            { outputs = _: let parts = import ./parts.nix; in {
                inherit (parts) checks mixed foreign;
                packages.riscv64-linux.board = parts.named "riscv64-linux" "board";
                packages.x86_64-linux = { inherit (parts) several; chosen = parts.several // { meta.outputsToInstall = [ "out" "doc" ]; }; };
                empty = { }; number = 7;
            }; }
            """);
    }

    public void Dispose() => session.Dispose();

    [Theory]
    [InlineData("path:.#checks", "one two unit")]
    [InlineData("path:.#checks.x86_64-linux", "one two unit")]
    [InlineData("path:.#checks.x86_64-linux.nested", "one two")]
    [InlineData("path:.#checks.x86_64-linux.unit", "unit")]
    [InlineData("path:.#mixed", "deep it")]
    [InlineData("path:.#packages.x86_64-linux", "several")]
    public void Of_a_set_all_derivations_are_built_on_systems_that_the_builders_have(string installable, string names)
    {
        var build = session.Run($"Get-NixBuilder ruby | Invoke-NixDistributedBuild '{installable}'").Succeeded();

        Assert.Equal(names, string.Join(' ', build.Results.Where(r => r.IsRequested).Select(r => r.Name).Order()));
    }

    [Theory]
    [InlineData("'path:.#board'")]
    [InlineData("-Path own.nix")]
    [InlineData("-Expression 'import ./own.nix' -Impure")]
    [EveryNix("Installables, files and paths of derivations; links to outputs")]
    public async Task What_names_no_system_is_evaluated_for_that_of_the_builders(string named)
    {
        await using var opal = await farm.AddAsync(
            "opal", "--systems", "riscv64-linux", "--conf", "extra-platforms = riscv64-linux", "--nix", TestFarm.NewestNix);
        // What the evaluation itself reads is built here, for this machine's own system.
        session.Write("own", """
            let name = import (attrs { system = "x86_64-linux"; } "read" "echo '\"board\"' > $out" [ ]);
            in attrs { system = builtins.currentSystem; } name "echo > $out" [ ]
            """);

        var build = session.Run(
            $"Get-NixBuilder | Where-Object Arch -eq riscv64 | Invoke-NixDistributedBuild {named} -InformationVariable told; $told")
            .Succeeded();

        Assert.Equal("opal", build["board"].Builder);
        Assert.Contains(
            build.Script.Information, note => $"{note.MessageData}".Contains("is evaluated for riscv64-linux", StringComparison.Ordinal));
    }

    [Fact]
    public void A_file_s_set_is_built_as_nix_build_does()
    {
        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path parts.nix -Attribute mixed").Succeeded();

        Assert.Equal(["deep", "it"], build.Results.Select(r => r.Name).Order());
    }

    [Fact]
    [EveryNix("Installables, files and paths of derivations; links to outputs")]
    public void Each_form_means_its_derivations()
    {
        Dictionary<string, string> forms = new()
        {
            ["'path:.#checks'"] = "one two unit",
            ["'path:.#mixed'"] = "deep it",
            ["'path:.#several'"] = "several",
            ["'path:.#several^dev,doc'"] = "several",
            ["'path:.#packages.x86_64-linux.several^*', 'path:.#checks.x86_64-linux.unit'"] = "several unit",
            ["-Path parts.nix -Attribute mixed"] = "deep it",
            ["-Expression '(import ./parts.nix).checks.x86_64-linux' -Impure"] = "one two unit",
            ["-DerivationPath \"$several\", \"$several^dev\""] = "several",
        };
        var several = "$several = (Invoke-NixDistributedBuild -WhatIf 'path:.#several' -Builder ruby).DerivationPath\n";

        var found = session.Run(several + string.Join(
            '\n', forms.Keys.Select(form => $"\"$((Invoke-NixDistributedBuild {form} -Builder ruby -WhatIf).Name)\"")));

        Assert.True(found.Errors.Length == 0, found.Errors);
        Assert.Equal(forms.Values, found.Script.Output.Select(names => string.Join(' ', $"{names}".Split(' ').Distinct().Order())));
    }

    [Theory]
    [InlineData("parts.nix -Attribute mixed", "deep it")]
    [InlineData("parts.nix -Attribute several.dev, checks.x86_64-linux.unit", "several unit")]
    [InlineData("default.nix", "one two")]
    [EveryNix("Files where there is no `nix-instantiate`")]
    public void Without_nix_instantiate_a_file_means_the_same(string file, string names)
    {
        session.Write("default", """
            { wanted ? "two" }: [ (package "one" "echo > $out" [ ]) ({ }: package wanted "echo > $out" [ ]) { left.out = package "no" "echo > $out" [ ]; } ]
            """);
        var script = $"(Test-NixBuilderPolicy -Path {file} -Builder ruby).Derivation";
        var path = Environment.GetEnvironmentVariable("PATH")!;
        var programs = Directory.CreateDirectory(Path.Combine(session.Folder, "bin")).FullName;
        File.CreateSymbolicLink(
            Path.Combine(programs, "nix"), path.Split(':').Select(folder => Path.Combine(folder, "nix")).First(File.Exists));

        var with = session.Run(script);
        Environment.SetEnvironmentVariable("PATH", programs);
        BuildOutput without;
        try
        {
            without = session.Run(script);
        }
        finally
        {
            Environment.SetEnvironmentVariable("PATH", path);
        }

        Assert.True((with.Errors + without.Errors).Length == 0, with.Errors + without.Errors);
        Assert.Equal(names, string.Join(' ', with.Script.Output.Select(name => $"{name}").Order()));
        Assert.Equal(names, string.Join(' ', without.Script.Output.Select(name => $"{name}").Order()));
    }

    [Theory]
    [InlineData("path:.#empty", "DerivationNotFound", "set without derivations")]
    [InlineData("path:.#number", "DerivationNotFound", "type int")]
    [InlineData("path:.#foreign", "DerivationNotFound", "aarch64-darwin, which no builder of this run builds")]
    [InlineData("./parts.nix", "InstallableIsFile", "Use -Path ./parts.nix")]
    [InlineData("path:.#several^none", "OutputNotFound", "no output “none”")]
    public void An_installable_that_is_no_derivation_is_refused_in_words_that_help(string installable, string error, string words)
    {
        var build = session.Run($"Get-NixBuilder ruby | Invoke-NixDistributedBuild '{installable}'");

        Assert.Empty(build.Results);
        Assert.Contains(error, build.Errors);
        Assert.Contains(words, build.Errors);
    }

    [Theory]
    [InlineData("'path:.#several'", "result")]
    [InlineData("'path:.#several.dev'", "result-dev")]
    [InlineData("'path:.#several^dev,doc'", "result-dev result-doc")]
    [InlineData("'path:.#several^*'", "result result-dev result-doc")]
    [InlineData("'path:.#chosen'", "result result-doc")]
    [InlineData("'path:.#several', 'path:.#checks.x86_64-linux.unit', 'path:.#checks.x86_64-linux.nested.one'", "result result-1 result-2")]
    [EveryNix("Installables, files and paths of derivations; links to outputs")]
    public void Those_outputs_are_linked_that_the_installable_means(string installables, string links)
    {
        session.Run($"Get-NixBuilder ruby | Invoke-NixDistributedBuild {installables} -OutLink result").Succeeded();

        Assert.Equal(links, string.Join(' ', Directory.GetFileSystemEntries(session.Folder, "result*").Select(Path.GetFileName).Order()));
    }

    [Theory]
    [InlineData("-OutLink none/result", "There is no folder")]
    [InlineData("-OutLink parts.nix", "exists, and is no link")]
    [InlineData("-OutLink /proc/result", "No link can be made in /proc")]
    [InlineData("-OutLink result -CopyBack None", "OutLinkWithoutOutputs")]
    public void A_link_that_cannot_be_made_is_told_before_anything_is_built(string parameters, string words)
    {
        var build = session.Run($"Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path parts.nix -Attribute several {parameters}");

        Assert.Empty(build.Results);
        Assert.Contains(words, build.Errors);
        Assert.False(
            Directory.Exists(session.LogFolder)
                && Directory.GetFiles(session.LogFolder, "*several*", SearchOption.AllDirectories).Length > 0);
    }
}
