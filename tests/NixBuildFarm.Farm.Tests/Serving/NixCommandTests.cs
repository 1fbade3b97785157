using System.Text.Json;
using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Serving;

/// <summary>Nix commands that build before they do what they are for, as their users see them through the farm.</summary>
public sealed class NixCommandTests(TestFarm farm) : IDisposable
{
    // Ids of activities in nix's own logging.hh.
    private const int Progress = 105;
    private const int CopyPath = 100;
    private const int CopyPaths = 103;
    private const int Builds = 104;

    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void Shells_and_programs_have_built_there_what_they_need_and_keep_their_exit_codes()
    {
        session.Write("shell", """
            attrs { builder = "/bin/bash"; outputs = [ "out" ]; tool = package "tool" (sleep 0) [ ]; } "shell" "echo > $out" [ ]
            """);
        session.Write("app", """
            package "app" "mkdir -p $out/bin; printf '#!/bin/sh\\necho app of %s; exit 7\\n' $host > $out/bin/app; chmod +x $out/bin/app" [ ]
            """);
        // Without a registry, nix develop does not look for its own bash in the network.
        File.WriteAllText(Path.Combine(session.Folder, "registry.json"), """{"version":2,"flakes":[]}""");

        var run = session.Run("""
            Get-NixBuilder kana | Use-NixBuildFarm {
                $env:NIX_BUILD_SHELL = '/bin/bash'
                nix-shell shell.nix --run 'cat $tool; exit 5' 2>$null
                "exit $LASTEXITCODE"
                $nix = '--extra-experimental-features', 'nix-command flakes', '--option', 'flake-registry', "$PWD/registry.json"
                nix @nix develop -f shell.nix -c sh -c 'cat $tool; exit 6' 2>$null
                "exit $LASTEXITCODE"
                nix @nix run -f app.nix 2>$null
                "exit $LASTEXITCODE"
                $env:NIX_BUILD_SHELL = $null
            }
            """);

        Assert.Equal(
            ["tool on kana", "exit 5", "tool on kana", "exit 6", "app of kana", "exit 7"], run.Script.Output.Select(o => o.ToString()));
    }

    [Fact]
    public void Every_activity_that_is_begun_is_ended_and_counts_end_equal()
    {
        session.Write("two", """package "two" "echo a line; echo > $out" [ (package "input" (sleep 0) [ ]) ]""");

        session.Run("""
            Get-NixBuilder ruby | Use-NixBuildFarm {
                sh -c 'nix --extra-experimental-features nix-command build -f two.nix --no-link --log-format internal-json 2> log'
            }
            """);

        JsonElement[] lines =
        [
            .. File.ReadLines(Path.Combine(session.Folder, "log"))
                .Where(line => line.StartsWith("@nix ", StringComparison.Ordinal))
                .Select(line => JsonDocument.Parse(line["@nix ".Length..]).RootElement),
        ];
        var begun = Of("start").ToArray();
        Assert.Equal(begun.Select(Id).Distinct().Order(), Of("stop").Select(Id).Order());
        Assert.Equal(
            2, begun.Count(start => start.GetProperty("text").GetString()!.EndsWith(".drv' on 'ruby'", StringComparison.Ordinal)));
        Assert.Contains(begun, start => Type(start) == CopyPath && Fields(start)[0].EndsWith("-two", StringComparison.Ordinal));
        Assert.Contains(Of("result"), result => Type(result) == 101 && Fields(result)[0] == "a line");
        Assert.All(
            begun.Where(start => Type(start) is CopyPaths or Builds),
            all => Assert.True(
                LastCount(all) is not [var done, var expected, var running, var failed] || (done, running, failed) == (expected, "0", "0"),
                string.Join(' ', LastCount(all))));
        Assert.Contains(begun, start => Type(start) == Builds && LastCount(start) is ["2", "2", ..]);

        IEnumerable<JsonElement> Of(string action) => lines.Where(line => line.GetProperty("action").GetString() == action);

        string[] LastCount(JsonElement activity) =>
            Of("result").Where(result => Type(result) == Progress && Id(result) == Id(activity)).Select(Fields).LastOrDefault() ?? [];

        static ulong Id(JsonElement line) => line.GetProperty("id").GetUInt64();

        static int Type(JsonElement line) => line.GetProperty("type").GetInt32();

        static string[] Fields(JsonElement line) =>
            [.. line.GetProperty("fields").EnumerateArray().Select(field => field.ToString())];
    }

    [Fact]
    public async Task Control_C_ends_the_command_and_its_build()
    {
        session.Write("long", """package "long" "sleep 7305" [ ]""");

        var run = session.Run("""
            Get-NixBuilder ruby | Use-NixBuildFarm { bash -c 'env --default-signal=INT nix-build long.nix --no-out-link 2> said & until grep -q "on .ruby" said; do sleep 0.1; done; kill -INT $!; wait $!; echo "ended with $?"' }
            """);

        Assert.Equal("ended with 1", Assert.Single(run.Script.Output).ToString());
        Assert.Contains("interrupted by the user", File.ReadAllText(Path.Combine(session.Folder, "said")));
        await Until.TrueAsync(
            async () => !(await farm.Ruby.ExecAsync("ps", "ax", "-o", "args")).Contains("sleep 7305", StringComparison.Ordinal),
            "the build has ended");
    }
}
