using NixBuildFarm.Farm.Tests.Builds;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builders;

/// <summary>What policies do to real builds, the three complaints of people about Nix's own distributed builds among them.</summary>
public sealed class PolicyTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose()
    {
        session.Run("Reset-NixBuilderPolicy -All");
        session.Dispose();
    }

    [Fact]
    public void The_hosts_of_a_build_are_chosen_for_this_build()
    {
        session.Write("twelve", "many 12 (i: package \"p${toString i}\" (sleep 0.3) [ ])");

        var build = session.Run("Get-NixBuilder aquamarine, ruby | Invoke-NixDistributedBuild -Path twelve.nix").Succeeded();

        Assert.Equal(["aquamarine", "ruby"], build.BuildersUsed);
    }

    [Fact]
    public void The_local_machine_takes_as_many_builds_as_its_policy_says()
    {
        session.Write("many", "many 27 (i: package \"p${toString i}\" (sleep 1) [ ])");

        var build =
            session.Run("Set-NixBuilderPolicy local -MaxJobs 3 -Cores 3; Get-NixBuilder | Invoke-NixDistributedBuild -Path many.nix")
            .Succeeded();

        // Three slots of ten in all: its share, and from the beginning, where stock Nix leaves it idle as long as another is free.
        Assert.InRange(build.Results.Count(result => result.Builder == "local"), 5, 20);
        Assert.Contains(build.Results.OrderBy(result => result.Started).Take(10), result => result.Builder == "local");
        Assert.True(build.BuildersUsed.Count() >= 3);
    }

    [Fact]
    public void Reserved_cores_are_left_to_the_person_at_the_machine()
    {
        session.Write("four", "many 4 (i: package \"p${toString i}\" \"sleep 0.5; echo $NIX_BUILD_CORES > $out\" [ ])");

        var build =
            session.Run("Set-NixBuilderPolicy local -MaxJobs 4 -Cores 4 -Reserve 3; Get-NixBuilder local | Invoke-NixDistributedBuild "
                + "-Path four.nix")
            .Succeeded();

        // One core is left for builds: one build at a time, on one core.
        Assert.All(build.Results, result => Assert.Equal("1", File.ReadAllText(result.Output).Trim()));
        var starts = build.Results.Select(result => result.Started!.Value).Order().ToArray();
        Assert.All(
            starts.Zip(starts.Skip(1)), pair => Assert.True(pair.Second - pair.First > TimeSpan.FromSeconds(0.4), "two builds at a time"));
    }

    [Fact]
    public void The_other_builders_are_busy_while_one_builds_something_big()
    {
        // One machine, one slot, for the big one: the rest would wait behind it, or it behind them.
        session.Write("mixed", """
            let big = attrs { pname = "linux"; } "linux-6.6" (sleep 12) [ ];
            in [ (package "system" "cat $inputs > $out" [ big ]) ] ++ many 18 (i: package "small${toString i}" (sleep 1) [ ])
            """);

        var build = session.Run("Get-NixBuilder aquamarine, ruby, kana | Invoke-NixDistributedBuild -Path mixed.nix").Succeeded();

        var big = build["linux-6.6"].Started!.Value;
        var end = big + build["linux-6.6"].Duration;
        var smalls = build.Results.Where(result => result.Name.StartsWith("small", StringComparison.Ordinal)).ToArray();
        Assert.Equal(18, smalls.Length);
        // It is among the first, and everything else is built beside it.
        Assert.True(big <= smalls.Select(small => small.Started!.Value).Order().ElementAt(6), "the big one waited");
        Assert.All(smalls, small => Assert.True(small.Started < end, $"{small.Name} waited for the big one"));
        Assert.Equal(["aquamarine", "kana", "ruby"], smalls.Select(small => small.Builder).Distinct().Order());
    }

    [Fact]
    public void A_disabled_builder_takes_no_part_unless_somebody_names_it()
    {
        session.Write("six", "many 6 (i: package \"p${toString i}\" (sleep 0.3) [ ])");
        session.Run("Set-NixBuilderPolicy ruby -Enabled $false -Scope Session");

        var all = session.Run("Get-NixBuilder | Invoke-NixDistributedBuild -Path six.nix -NoLocal -Verbose").Succeeded();
        Assert.DoesNotContain("ruby", all.BuildersUsed);
        Assert.Contains(
            "VERBOSE: ruby is disabled and takes no part",
            session.Show("Get-NixBuilder | Invoke-NixDistributedBuild -Path six.nix -Verbose -WhatIf"));

        foreach (var named in new[] { "Get-NixBuilder ruby", "'ruby'", "Get-NixBuilder RUBY | Test-NixBuilder" })
        {
            session.Write("six", "many 2 (i: package \"p${toString i}\" (sleep 0.1) [ ])");
            Assert.Equal(["ruby"], session.Run($"{named} | Invoke-NixDistributedBuild -Path six.nix").Succeeded().BuildersUsed);
        }
        Assert.Contains("NoBuilder", session.Run("Get-NixBuilder rub* | Invoke-NixDistributedBuild -Path six.nix").Errors);
    }

    [Fact]
    public void A_drained_builder_takes_nothing_even_where_it_is_named()
    {
        session.Write("six", "many 6 (i: package \"p${toString i}\" (sleep 0.3) [ ])");

        var build = session.Run("Set-NixBuilderPolicy ruby -Drain; Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path six.nix")
            .Succeeded();

        Assert.Equal(["kana"], build.BuildersUsed);
        Assert.Contains(
            session.Run("Test-NixBuilderPolicy -Path six.nix -Builder ruby").Script.Output,
            test => !(bool)test.Properties["Eligible"].Value);
    }

    [Fact]
    public void Names_that_match_decide_who_builds_what()
    {
        session.Write(
            "kinds",
            "many 4 (i: package \"heavy-${toString i}\" (sleep 0.3) [ ]) ++ many 4 (i: package \"light-${toString i}\" (sleep 0.3) [ ])");

        var build = session.Run("""
            Set-NixBuilderPolicy aquamarine -Match heavy-*
            Set-NixBuilderPolicy ruby, kana, local -Exclude heavy-*
            Get-NixBuilder | Invoke-NixDistributedBuild -Path kinds.nix
            """).Succeeded();

        Assert.All(
            build.Results,
            result => Assert.Equal(result.Name.StartsWith("heavy", StringComparison.Ordinal), result.Builder == "aquamarine"));
    }

    [Fact]
    public void Outputs_stay_where_the_policy_says_unless_the_build_says_otherwise()
    {
        const string Graph = "package \"top\" \"cat $inputs > $out\" [ (package \"part\" \"echo part > $out\" [ ]) ]";
        session.Write("graph", Graph);
        var kept =
            session.Run("Set-NixBuilderPolicy ruby -CopyBack Requested; Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path graph.nix")
            .Succeeded();
        Assert.Equal((true, false), (File.Exists(kept["top"].Output), File.Exists(kept["part"].Output)));

        session.Write("graph", Graph);
        var brought = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path graph.nix -CopyBack All").Succeeded();
        Assert.Equal((true, true), (File.Exists(brought["top"].Output), File.Exists(brought["part"].Output)));
    }

    [Fact]
    public async Task A_slow_line_carries_no_more_than_the_policy_allows()
    {
        await farm.Coordinator.ExecAsync("bash", "-c", "head -c 4000000 /dev/urandom > \"$1\"", "-", Path.Combine(session.Folder, "input"));
        session.Write(
            "large", $$"""attrs { input = {{session.Folder}}/input; } "large" "read -r n < /dev/null || true; echo > $out" [ ]""");

        var build =
            session.Run("Set-NixBuilderPolicy ruby -MaxUpload 1MB; Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path large.nix")
            .Succeeded();

        var large = build["large"];
        Assert.InRange(large.Supplied, 4_000_000, 4_100_000);
        var seconds = NixBuildFarm.Farm.Tests.History.HistoryFile.Query(
            session.HistoryFile, "SELECT seconds FROM transfer WHERE to_builder", row => row.GetDouble(0));
        Assert.All(seconds, s => Assert.InRange(s, 3, 120));
        Assert.NotEmpty(seconds);
    }
}
