using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>The main job: what is asked for is built on the machines that were chosen, and comes home.</summary>
public sealed class BuildTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    [EveryNix("Builds on several builders at once")]
    public async Task A_wide_graph_is_built_on_every_builder_and_copied_back()
    {
        session.Write("wide", """package "root" "cat $inputs > $out" (many 24 (i: package "leaf${toString i}" (sleep 0.4) [ ]))""");

        var build = session.Run("Get-NixBuilder | Where-Object Arch -eq x86_64 | Invoke-NixDistributedBuild -Path wide.nix -OutLink result")
            .Succeeded();

        Assert.Equal(25, build.Results.Count);
        Assert.Equal(["aquamarine", "kana", "local", "ruby"], build.BuildersUsed);
        Assert.Equal(["root"], build.Results.Where(r => r.IsRequested).Select(r => r.Name));
        foreach (var result in build.Results)
        {
            await farm.Coordinator.ExecAsync("nix-store", "--check-validity", result.Output);
        }
        // Each leaf says where it was built, and the results say the same.
        var told = File.ReadAllLines(Path.Combine(session.Folder, "result")).Select(line => line.Split(" on ")).ToArray();
        Assert.Equal(24, told.Length);
        Assert.All(told, line => Assert.Equal(line[1].Replace("coordinator", "local", StringComparison.Ordinal), build[line[0]].Builder));
        await farm.Coordinator.ExecAsync("nix-store", "--verify", "--check-contents");
    }

    [Fact]
    public void Only_the_builders_that_are_named_build()
    {
        session.Write("wide", """package "root" "echo > $out" (many 10 (i: package "leaf${toString i}" (sleep 0.2) [ ]))""");

        var build = session.Run("Get-NixBuilder aquamarine, ruby | Invoke-NixDistributedBuild -Path wide.nix").Succeeded();

        Assert.Equal(["aquamarine", "ruby"], build.BuildersUsed);
    }

    [Theory]
    [InlineData("Invoke-NixDistributedBuild -Path wide.nix -Builder ruby, k*", "kana ruby")]
    [InlineData("'kana' | Invoke-NixDistributedBuild -Path wide.nix", "kana")]
    [InlineData("Invoke-NixDistributedBuild -Path wide.nix -NoLocal -ExcludeBuilder aqua*", "kana ruby")]
    [InlineData("Test-NixBuilder kana | Where-Object Success | Invoke-NixDistributedBuild -Path wide.nix", "kana")]
    [InlineData(
        "Set-NixBuilderPolicy ruby, aquamarine -Enabled $false -Scope Session; Invoke-NixDistributedBuild -Path wide.nix -NoLocal; "
            + "Reset-NixBuilderPolicy -All -Scope Session",
        "kana")]
    public void Builders_are_chosen_in_every_way_there_is(string command, string builders)
    {
        session.Write("wide", """package "root" "echo > $out" (many 10 (i: package "leaf${toString i}" (sleep 0.2) [ ]))""");

        var build = session.Run(command).Succeeded();

        Assert.Equal(builders.Split(' '), build.BuildersUsed);
    }

    [Fact]
    public async Task A_builder_with_an_entry_for_each_system_builds_no_more_at_a_time_than_it_has_slots()
    {
        await using var opal = await farm.AddAsync("opal", "--slots", "4");
        var line = File.ReadLines("/etc/nix/machines")
            .Single(entry => entry.Contains("@opal ", StringComparison.Ordinal))
            .Replace(" 4 ", " 2 ", StringComparison.Ordinal);
        Assert.Contains(" 2 ", line);
        File.WriteAllText(
            Path.Combine(session.Folder, "list"), $"{line}\n{line.Replace("x86_64-linux", "i686-linux", StringComparison.Ordinal)}\n");
        session.Write("both", """many 4 (i: package "first${toString i}" (sleep 0.5) [ ]) ++ many 4 (i: attrs { system = "i686-linux"; } "second${toString i}" (sleep 0.5) [ ])""");

        var build = session.Run("Get-NixBuilder -Path list | Where-Object IsLocal -eq $false | Invoke-NixDistributedBuild -Path both.nix")
            .Succeeded();

        Assert.Equal((8, "opal"), (build.Results.Count, Assert.Single(build.BuildersUsed)));
        Assert.All(
            build.Results,
            at => Assert.InRange(build.Results.Count(r => r.Started <= at.Started && at.Started < r.Started + r.Duration), 1, 2));
    }

    [Fact]
    public void Nix_s_own_builders_work_here_whatever_system_is_named()
    {
        session.Write("own", """
            { system }: derivation { inherit system; name = "profile-${system}"; builder = "builtin:buildenv"; derivations = [ ]; manifest = "/dev/null"; nonce = builtins.unsafeDiscardStringContext (package "nonce" "" [ ]).drvPath; }
            """);

        foreach (var system in (string[])["builtin", "x86_64-linux", "riscv64-linux"])
        {
            var build = session.Run($"Invoke-NixDistributedBuild -Path own.nix -Argument @{{ system = '{system}' }}").Succeeded();
            Assert.Equal(("Built", "local"), (build.Results.Single().Status, build.Results.Single().Builder));
        }
    }

    [Fact]
    [EveryNix("Builds on several builders at once")]
    public void Inputs_that_were_built_on_one_builder_reach_another()
    {
        // Two chains with a common end: whatever is decided, something has to move. A builder may take seconds to connect.
        session.Write("diamond", """
            let bottom = package "bottom" "echo the bottom > $out" [ ];
                side = i: package "side${toString i}" "cat $inputs > $out; sleep 5; echo side ${toString i} >> $out" [ bottom ];
            in package "top" "cat $inputs > $out" (many 7 side)
            """);

        var build = session.Run("Get-NixBuilder aquamarine, ruby, kana | Invoke-NixDistributedBuild -Path diamond.nix").Succeeded();

        Assert.Equal(
            3, build.Results.Where(r => r.Name.StartsWith("side", StringComparison.Ordinal)).Select(r => r.Builder).Distinct().Count());
        Assert.Equal(string.Concat(Enumerable.Range(0, 7).Select(i => $"the bottom\nside {i}\n")), File.ReadAllText(build["top"].Output));
        Assert.Contains(build.Results, r => r.Supplied > 0);
    }

    [Fact]
    public void A_valid_output_is_not_rebuilt()
    {
        session.Write("twice", """package "top" "cat $inputs > $out" [ (package "bottom" (sleep 0) [ ]) ]""");
        session.Run("Invoke-NixDistributedBuild -Path twice.nix").Succeeded();

        var again = session.Run("Invoke-NixDistributedBuild -Path twice.nix").Succeeded();

        Assert.Equal(
            ("top", "AlreadyValid", "local"), (again.Results.Single().Name, again.Results.Single().Status, again.Results.Single().Builder));
    }

    [Fact]
    public void Only_what_is_missing_is_built()
    {
        session.Write("part", """rec { bottom = package "bottom" (sleep 0) [ ]; top = package "top" "cat $inputs > $out" [ bottom ]; }""");
        session.Run("Invoke-NixDistributedBuild -Path part.nix -Attribute bottom").Succeeded();

        var top = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path part.nix -Attribute top").Succeeded();

        Assert.Equal(["top"], top.Results.Select(r => r.Name));
    }

    [Fact]
    [EveryNix("Outputs that substituters have")]
    public async Task A_substitutable_output_is_fetched_rather_than_built()
    {
        session.Write(
            "cached", """rec { bottom = package "bottom" (sleep 0) [ ]; top = package "top" "cat $inputs > $out" [ bottom ]; }""");
        var bottom = session.Run("Invoke-NixDistributedBuild -Path cached.nix -Attribute bottom").Succeeded()["bottom"].Output;
        var cache = Path.Combine(session.Folder, "cache");
        await farm.Coordinator.ExecAsync("nix", "copy", "--to", $"file://{cache}", bottom);
        await farm.Coordinator.ExecAsync("nix-store", "--delete", bottom);
        await using var configured = await NixSetting.AddAsync(farm, $"substituters = file://{cache}", "require-sigs = false");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path cached.nix -Attribute top").Succeeded();

        Assert.Equal(("Substituted", "local"), (build["bottom"].Status, build["bottom"].Builder));
        Assert.Equal(("Built", "ruby"), (build["top"].Status, build["top"].Builder));
    }

    [Fact]
    [EveryNix("Installables, files and paths of derivations; links to outputs")]
    public void Installables_and_derivation_paths_name_the_same()
    {
        session.Write("default", """{ top = package "top" (sleep 0) [ ]; }""");
        File.WriteAllText(
            Path.Combine(session.Folder, "flake.nix"), "{ outputs = { self }: { packages.x86_64-linux = import ./default.nix; }; }");

        var byInstallable = session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild path:.#top").Succeeded();
        var byPath = session.Run($"Invoke-NixDistributedBuild -DerivationPath '{byInstallable["top"].Derivation}'").Succeeded();

        Assert.Equal("Built", byInstallable["top"].Status);
        Assert.Equal("AlreadyValid", byPath["top"].Status);
    }

    [Fact]
    public void Arguments_of_a_file_are_PowerShell_values()
    {
        File.WriteAllText(Path.Combine(session.Folder, "function.nix"), """
            { text, number, flag, list, table }: derivation {
              name = "told"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "printf %s \"$told\" > $out" ];
              told = builtins.toJSON { inherit text number flag list table; };
            }
            """);

        var build = session.Run("""
            Invoke-NixDistributedBuild -Path function.nix -Argument @{ text = 'a "quoted" ${no} \ thing'; number = 42; flag = $true; list = 1, 'two'; table = @{ 'a.b' = $null } }
            """).Succeeded();

        Assert.Equal(
            """{"flag":true,"list":[1,"two"],"number":42,"table":{"a.b":null},"text":"a \"quoted\" ${no} \\ thing"}""",
            File.ReadAllText(build["told"].Output));
    }

    [Fact]
    public void Outputs_stay_where_they_were_built_when_nothing_is_to_come_home()
    {
        session.Write("stay", """package "top" "cat $inputs > $out" [ (package "bottom" (sleep 0) [ ]) ]""");

        var none = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path stay.nix -CopyBack None").Succeeded();

        Assert.All(none.Results, r => Assert.False(Path.Exists(r.Output), r.Output));

        var requested = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path stay.nix -CopyBack Requested").Succeeded();

        Assert.True(Path.Exists(requested["top"].Output));
        Assert.False(Path.Exists(requested["bottom"].Output));
    }

    [Fact]
    [EveryNix("Installables, files and paths of derivations; links to outputs")]
    public void All_outputs_of_what_was_asked_for_are_linked()
    {
        session.Write("several", """
            [ (attrs { outputs = [ "out" "dev" ]; } "one" "echo 1 > $out; echo dev > $dev" [ ]) (package "two" "echo 2 > $out" [ ]) ]
            """);

        session.Run("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path several.nix -OutLink result").Succeeded();

        Assert.Equal(
            ["result: 1", "result-2: 2", "result-dev: dev"],
            Directory.GetFiles(session.Folder, "result*")
                .Order()
                .Select(link => $"{Path.GetFileName(link)}: {File.ReadAllText(link).Trim()}"));
    }

    [Fact]
    public void Logs_are_kept_whole_and_private()
    {
        session.Write("chatty", """package "chatty" "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; echo > $out" [ ]""");

        var log = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path chatty.nix").Succeeded()["chatty"].LogPath!;

        Assert.Equal(Enumerable.Range(0, 2000).Select(i => $"line {i}"), File.ReadLines(log));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(log));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(session.LogFolder));
    }
}
