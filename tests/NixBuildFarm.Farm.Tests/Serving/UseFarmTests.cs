using System.Text.RegularExpressions;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Serving;

/// <summary>In the block of Use-NixBuildFarm, Nix's own commands build on the farm, and do otherwise what they always do.</summary>
public sealed partial class UseFarmTests(TestFarm farm) : IDisposable
{
    private const string Flakes = "--extra-experimental-features 'nix-command flakes'";

    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    [EveryNix("Nix's own commands on a farm: `Use-NixBuildFarm`")]
    public void Nix_build_builds_on_the_builders_that_are_given_and_prints_the_output()
    {
        session.Write("one", """package "one" (sleep 0) [ (package "input" (sleep 0) [ ]) ]""");

        var run = session.Run("Get-NixBuilder ruby | Use-NixBuildFarm { nix-build one.nix --no-out-link 2>&1; $LASTEXITCODE }");

        var said = Text(run);
        Assert.Matches(@"building '/nix/store/[a-z0-9]{32}-input\.drv' on 'ruby'", said);
        Assert.Matches(@"building '/nix/store/[a-z0-9]{32}-one\.drv' on 'ruby'", said);
        var output = OutputPath().Matches(said).Last().Value;
        Assert.Equal("one on ruby\n", File.ReadAllText(output));
        Assert.Equal("0", run.Script.Output[^1].ToString());
        Assert.Equal("", run.Errors);
    }

    [Theory]
    [InlineData("nix build -L -f one.nix --no-link")]
    [InlineData("nix build -L --impure --expr 'import ./one.nix' --no-link")]
    [InlineData("nix build -L path:./flake --no-link")]
    [InlineData("nix flake check -L path:./flake")]
    [InlineData("nix-store -r (nix-instantiate one.nix)")]
    [InlineData("nix-build one.nix --no-out-link -k")]
    public void Every_command_builds_there(string command)
    {
        session.Write("one", """package "one" "echo a line of the log on $host; echo > $out" [ ]""");
        Directory.CreateDirectory(Path.Combine(session.Folder, "flake"));
        File.Copy(Path.Combine(session.Folder, "one.nix"), Path.Combine(session.Folder, "flake", "one.nix"));
        File.WriteAllText(
            Path.Combine(session.Folder, "flake", "flake.nix"),
            "{ outputs = _: { packages.x86_64-linux.default = import ./one.nix; checks.x86_64-linux.one = import ./one.nix; }; }");
        if (command.StartsWith("nix ", StringComparison.Ordinal)) command = $"nix {Flakes} {command["nix ".Length..]}";

        var run = session.Run($"Get-NixBuilder kana | Use-NixBuildFarm {{ {command} 2>&1; \"exit $LASTEXITCODE\" }}");

        Assert.Contains("a line of the log on kana", Text(run));
        Assert.Equal("exit 0", run.Script.Output[^1].ToString());
    }

    [Fact]
    public void What_evaluation_itself_needs_is_built_there_too()
    {
        session.Write("ifd", """package (import (package "source" "echo \"\\\"from-$host\\\"\" > $out" [ ])) "echo > $out" [ ]""");

        var run = session.Run("Get-NixBuilder kana | Use-NixBuildFarm { nix-build ifd.nix --no-out-link }");

        Assert.EndsWith("-from-kana", Assert.Single(run.Script.Output).ToString());
    }

    [Fact]
    [EveryNix("Nix's own commands on a farm: `Use-NixBuildFarm`")]
    public void A_failure_is_said_as_Nix_says_it_once_and_the_exit_code_is_Nixs()
    {
        session.Write("bad", """package "bad" "echo this is why; exit 3" [ ]""");

        var run = session.Run("Get-NixBuilder ruby | Use-NixBuildFarm { nix-build bad.nix --no-out-link 2>&1; $LASTEXITCODE }");

        var said = Text(run);
        // Nix up to 2.31 says it in one sentence, later ones in two lines.
        Assert.Single(said.Split("failed with exit code 3")[1..]);
        Assert.Contains("(on 'ruby')", said);
        Assert.Contains("> this is why", said);
        Assert.NotEqual("0", run.Script.Output[^1].ToString());
    }

    [Fact]
    public void Keep_going_builds_what_does_not_depend_on_the_failure()
    {
        session.Write("some", """
            { bad = package "bad" "exit 3" [ ]; dependent = package "dependent" (sleep 0) [ (package "inner" "exit 4" [ ]) ]; good = package "good" (sleep 0) [ ]; }
            """);

        var said = Text(session.Run("Get-NixBuilder ruby | Use-NixBuildFarm { nix-build some.nix --no-out-link -k 2>&1 }"));

        Assert.Contains("-good.drv' on 'ruby'", said);
        Assert.Matches(@"build of '\S+-(bad|dependent)\.drv', '\S+-(bad|dependent)\.drv' failed", said);
        Assert.Matches(@"1 dependencies of derivation '\S+-dependent\.drv' failed to build", said);
    }

    [Fact]
    public void A_check_is_the_local_daemons_which_says_so_and_builds_nothing_elsewhere()
    {
        // Inputs that are gone are built as well: on this machine, although its daemon has builders of its own.
        session.Write("two", """
            let input = package "input" "echo > $out; echo input on $host" [ ]; in
            { inherit input; two = package "two" "echo > $out; echo checked on $host" [ input ]; }
            """);

        var run = session.Run("""
            $gone = Get-NixBuilder ruby | Use-NixBuildFarm { $null = nix-build two.nix -A two --no-out-link; nix-build two.nix -A input --no-out-link }
            nix-store --delete $gone
            Get-NixBuilder ruby | Use-NixBuildFarm { nix-build two.nix -A two --no-out-link --check 2>&1; $LASTEXITCODE }
            """);

        var said = Text(run);
        Assert.Contains("input on coordinator", said);
        Assert.Contains("checked on coordinator", said);
        Assert.Single(said.Split("note: --check and --rebuild compare")[1..]);
        Assert.Equal("0", run.Script.Output[^1].ToString());
    }

    [Fact]
    public void The_folder_of_a_failed_build_is_kept_on_this_machine_and_said_to_be_gone_on_another()
    {
        session.Write("bad", """package "bad" "echo > trace; exit 3" [ ]""");

        var there = Text(session.Run("Get-NixBuilder ruby | Use-NixBuildFarm { nix-build bad.nix --no-out-link -K 2>&1 }"));
        var here = Text(session.Run("Use-NixBuildFarm -Builder local { nix-build bad.nix --no-out-link -K 2>&1 }"));

        Assert.Matches(@"build directory of '\S+-bad\.drv' is not kept, since it was built on 'ruby'", there);
        var kept = KeptFolder().Match(here).Groups["path"].Value;
        Assert.True(File.Exists(Path.Combine(kept, "trace")), here);
        Directory.Delete(kept, recursive: true);
    }

    [Fact]
    [EveryNix("Nix's own commands on a farm: `Use-NixBuildFarm`")]
    public void The_log_of_what_was_built_elsewhere_is_found_by_nix_log()
    {
        session.Write("one", """package "one" "echo the log of $host; echo > $out" [ ]""");

        var run =
            session.Run($"Get-NixBuilder ruby | Use-NixBuildFarm {{ $null = nix-build one.nix --no-out-link; nix {Flakes} log "
                + "(nix-instantiate one.nix) }");

        Assert.Contains("the log of ruby", Text(run));
    }

    [Fact]
    public void Two_commands_at_once_build_side_by_side()
    {
        session.Write("two", """{ a = package "a" "sleep 2; date +%s > $out" [ ]; b = package "b" "sleep 2; date +%s > $out" [ ]; }""");

        var run = session.Run("""
            Get-NixBuilder ruby, kana | Use-NixBuildFarm { bash -c 'nix-build two.nix -A a --no-out-link & nix-build two.nix -A b --no-out-link & wait' }
            """);

        var ended = OutputPath().Matches(Text(run)).Select(path => int.Parse(File.ReadAllText(path.Value))).ToArray();
        Assert.Equal(2, ended.Length);
    }

    [Fact]
    public async Task A_command_that_is_killed_ends_its_builds()
    {
        session.Write("long", """package "long" "sleep 7301" [ ]""");

        var run = session.Run("""
            Get-NixBuilder ruby | Use-NixBuildFarm { bash -c 'nix-build long.nix --no-out-link 2> said & until grep -q "on .ruby" said; do sleep 0.1; done; kill -9 $!; wait $!; echo "ended with $?"' }
            """);

        Assert.Contains("ended with 137", Text(run));
        await Until.TrueAsync(
            async () => !(await farm.Ruby.ExecAsync("ps", "ax", "-o", "args")).Contains("sleep 7301", StringComparison.Ordinal),
            "the build has ended");
    }

    [Fact]
    public void Afterwards_all_is_as_before()
    {
        var run = session.Run("""
            $env:NIX_REMOTE = 'daemon'
            $inside = Get-NixBuilder ruby | Use-NixBuildFarm { $env:NIX_REMOTE; $variable = 'set in the block'; throw 'out of it' }
            """);
        var after = session.Run("$env:NIX_REMOTE; $variable; $env:NIX_REMOTE = $null");

        Assert.Contains("out of it", run.Errors);
        Assert.Equal(["daemon", "set in the block"], after.Script.Output.Select(o => o.ToString()));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(session.Folder, "state", "nixbuildfarm", "run")));
    }

    [Fact]
    public void Builders_that_no_filter_leaves_build_nothing()
    {
        Assert.Contains("NoBuilder", session.Run("Get-NixBuilder | Where-Object Name -eq nobody | Use-NixBuildFarm { 'not run' }").Errors);
    }

    private static string Text(BuildOutput run) => string.Join('\n', run.Script.Output.Select(o => o.ToString()));

    [GeneratedRegex("bad: keeping build directory '(?<path>[^']+)'", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex KeptFolder();

    [GeneratedRegex(@"^/nix/store/[a-z0-9]{32}-\w+$", RegexOptions.Multiline | RegexOptions.NonBacktracking)]
    private static partial Regex OutputPath();
}
