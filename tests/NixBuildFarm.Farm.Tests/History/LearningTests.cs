using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.History;

/// <summary>A farm that has built something once does it better the second time.</summary>
public sealed class LearningTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    /// <summary>Two long jobs hidden among many short ones that look the same: no graph tells which they are.</summary>
    private const string HiddenLongJobs = """
        package "top" "cat $inputs > $out" (many 14 (i: attrs { pname = "job${toString i}"; }
          "job${toString i}-1.0" (sleep (if i == 5 || i == 11 then 3 else 0.3)) [ ]))
        """;

    [Fact]
    public void The_second_time_the_long_jobs_of_a_graph_are_started_first()
    {
        session.Write("hidden", HiddenLongJobs);
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path hidden.nix").Succeeded();

        // The same packages, all of them to be built again.
        session.Write("hidden", HiddenLongJobs);
        var second = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path hidden.nix").Succeeded();

        Assert.Equal(15, second.Results.Count);
        Assert.Equal(["job11-1.0", "job5-1.0"], second.Results.OrderBy(r => r.Started).Take(2).Select(r => r.Name).Order());
    }

    [Fact]
    public void Each_build_is_remembered_as_it_was()
    {
        session.Write("some", """
            [ (attrs { pname = "quick"; enableParallelBuilding = true; } "quick-1" (sleep 1) [ ])
              (package "nameless-2.1" (sleep 1) [ ])
              (package "bad" "sleep 1; exit 1" [ ])
              (attrs { outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; outputHashMode = "flat"; } "download" ": > $out" [ ]) ]
            """);

        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix -KeepGoing");

        var seen =
            HistoryFile.Query(session.HistoryFile, "SELECT package, system, builder, parallel, seconds, output_bytes FROM build "
                + "WHERE source = 'Run' ORDER BY package", row =>
            (Text: string.Join(' ', Enumerable.Range(0, 4).Select(row.GetValue)), Seconds: row.GetDouble(4), Bytes: row.GetInt64(5)));
        Assert.Equal(["nameless x86_64-linux ruby 0", "quick x86_64-linux ruby 1"], seen.Select(build => build.Text));
        Assert.All(seen, build => Assert.InRange(build.Seconds, 1, 60));
        Assert.All(seen, build => Assert.InRange(build.Bytes, 100, 1000));
    }

    /// <summary>Nix itself has built on a builder before NixBuildFarm knew of it.</summary>
    [Fact]
    public void What_the_logs_of_a_builder_tell_is_known_before_the_first_run()
    {
        session.Write("earlier", """package "earlier-1.0" (sleep 4) [ ]""");
        // With another history than the one that imports.
        var built = session.Run("""
            $mine = $env:XDG_STATE_HOME
            $env:XDG_STATE_HOME = "$PWD/other-state"
            Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path earlier.nix
            $env:XDG_STATE_HOME = $mine
            """).Succeeded();
        Assert.Single(built.Results);

        session.Run("Import-NixBuildHistory -Builder ruby -WhatIf");
        Assert.False(File.Exists(session.HistoryFile));
        session.Run("Import-NixBuildHistory -Builder ruby; Import-NixBuildHistory -Builder ruby");

        var told = HistoryFile.Query(
            session.HistoryFile, "SELECT builder, system, source, seconds FROM build WHERE package = 'earlier'",
            row => (Text: $"{row.GetString(0)} {row.GetString(1)} {row.GetString(2)}", Seconds: row.GetDouble(3)));
        var build = Assert.Single(told);
        Assert.Equal("ruby x86_64-linux NixLog", build.Text);
        Assert.InRange(build.Seconds, 3, 60);

        session.Write("earlier", """package "earlier-2.0" (sleep 4) [ ]""");
        var plan = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path earlier.nix -WhatIf | "
            + "ForEach-Object { \"$($_.Name) $($_.EstimateSource)\" }");
        Assert.Contains("earlier-2.0 NixLog", plan.Script.Output.Select(line => line.ToString()));
    }

    [Fact]
    public void The_speed_of_large_transfers_is_remembered_for_each_direction()
    {
        session.Write("large", """
            let big = name: package name "dd if=/dev/zero of=$out bs=1000000 count=8 2>/dev/null" [ ];
            in package "use" "cat $inputs > $out" [ (big "big") ]
            """);
        session.Run("Get-NixBuilder local | Invoke-NixDistributedBuild -Path large.nix -WarningAction Stop").Succeeded();

        // The input goes there, the output comes back; both are larger than what delays hide.
        File.WriteAllText(
            Path.Combine(session.Folder, "use.nix"),
            File.ReadAllText(Path.Combine(session.Folder, "large.nix"))
                .Replace("package \"use\"", "attrs { again = true; } \"use\"", StringComparison.Ordinal));
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path use.nix").Succeeded();

        var seen =
            HistoryFile.Query(session.HistoryFile, "SELECT builder, to_builder, bytes, seconds FROM transfer ORDER BY to_builder", row =>
            (Builder: row.GetString(0), ToBuilder: row.GetBoolean(1), Bytes: row.GetInt64(2), Seconds: row.GetDouble(3)));
        Assert.Equal([("ruby", false), ("ruby", true)], seen.Select(t => (t.Builder, t.ToBuilder)));
        Assert.All(seen, t => Assert.InRange(t.Bytes, 8_000_000, 8_100_000));
        Assert.All(seen, t => Assert.InRange(t.Seconds, 0.001, 60));
    }

    [Fact]
    public void A_run_that_is_stopped_keeps_what_it_has_learnt()
    {
        session.Write("long", """[ (package "quick" (sleep 0.2) [ ]) (package "slow" "sleep 6000" [ ]) ]""");

        session.Run("foreach ($i in 1) { Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path long.nix | ForEach-Object { break } }");

        Assert.Equal(["quick"], HistoryFile.Texts(session.HistoryFile, "SELECT package FROM build WHERE source = 'Run'"));
    }

    [Fact]
    public async Task Runs_of_several_processes_at_once_are_all_remembered()
    {
        for (var i = 0; i < 3; i++)
        {
            session.Write(
                "at-once", $$"""package "top{{i}}" "echo > $out" (many 6 (i: package "leaf{{i}}x${toString i}" (sleep 0.2) [ ]))""");
            File.Copy(Path.Combine(session.Folder, "at-once.nix"), $"/home/alice/at-once{i}.nix", overwrite: true);
        }

        var runs = await Task.WhenAll(Enumerable.Range(0, 3).Select(i =>
            farm.PowerShellAsync(
                "alice",
                $"$env:XDG_STATE_HOME = '/home/alice/at-once'; Get-NixBuilder | Invoke-NixDistributedBuild -Path at-once{i}.nix | "
                    + "ForEach-Object Status")));

        Assert.All(runs, run => Assert.True(run.Succeeded && run.Error.Length == 0, run.ToString()));

        // A new history also learns from the logs of the builders, which have those of other tests.
        const string Own = "SELECT DISTINCT package FROM build WHERE source = 'Run'";
        Assert.Equal(21, HistoryFile.Texts("/home/alice/at-once/nixbuildfarm/history.db", Own).Count);
    }
}
