using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History.Tests;

/// <summary>What was seen is there in the next run, as it was, and does not grow for ever.</summary>
public sealed class ObservationTests : IDisposable
{
    private readonly HistoryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_history_that_does_not_exist_yet_knows_nothing()
    {
        using var history = folder.Open();

        Assert.Empty(history.Builds("gcc"));
        Assert.Empty(history.Transfers());
    }

    [Fact]
    public void Added_observations_are_read_as_they_were()
    {
        using (var first = folder.Open()) first.Add([Seen.Build("gcc")], [Seen.Transfer("ruby")]);

        using var second = folder.Open();

        Assert.Equal([Seen.Build("gcc")], second.Builds("gcc"));
        Assert.Equal([Seen.Transfer("ruby")], second.Transfers());
    }

    [Fact]
    public void The_memory_and_the_processor_time_of_a_build_are_read_as_they_were()
    {
        var built = Seen.Build("llvm") with { PeakMemory = 16_100_000_000, ProcessorSeconds = 3456.75 };
        var killed = Seen.Build("rustc") with { PeakMemory = 8_000_000_000, WasKilled = true };
        using (var first = folder.Open()) first.Add(built, killed, Seen.Build("gcc"));

        using var second = folder.Open();

        Assert.Equal([built], second.Builds("llvm"));
        Assert.Equal([killed], second.Builds("rustc"));
        Assert.Equal([Seen.Build("gcc")], second.Builds("gcc"));
    }

    [Fact]
    public void What_was_built_here_since_a_moment_is_read_in_its_order()
    {
        var moment = DateTimeOffset.UnixEpoch.AddDays(400);
        var (before, at, after) = (
            Seen.Build("gcc") with { At = moment.AddSeconds(-1) }, Seen.Build("llvm") with { At = moment },
            Seen.Build("gcc") with { At = moment.AddSeconds(1) });
        var told = after with { Source = EstimateSource.OtherHistory };
        using (var first = folder.Open()) first.Add(after, told, before, at);

        using var second = folder.Open();

        Assert.Equal([at, after], second.BuildsSince(moment));
    }

    [Fact]
    public void The_next_run_knows_that_a_build_was_killed_for_its_memory()
    {
        using (var first = folder.Open()) first.Add(Seen.Build("rustc") with { PeakMemory = 40_000_000_000, WasKilled = true });
        using var history = folder.Open();
        var graph = new JobGraph([new Job { Name = "rustc-1.90", PackageName = "rustc", System = "x86_64-linux" }]);

        var estimate = Estimator.FromHistory(history, graph).For(graph[0]);

        Assert.True(estimate.Memory > 40_000_000_000, $"{estimate.Memory} bytes are expected.");
        Assert.Equal(new Estimator().For(graph[0]).Seconds, estimate.Seconds);
    }

    [Fact]
    public void What_compiles_have_left_is_known_by_builder_and_path_until_it_is_forgotten()
    {
        var (old, used) = (new KeptCompile("/nix/store/a", 1, DateTimeOffset.UnixEpoch),
            new KeptCompile("/nix/store/b", 2, DateTimeOffset.UnixEpoch.AddDays(1)));
        using (var first = folder.Open())
        {
            first.Keep("ruby", [old, used]);
            first.Keep("kana", [old]);
        }
        using var second = folder.Open();

        Assert.Equal([used, old], second.KeptCompiles("ruby"));
        second.Keep("ruby", [old with { Bytes = 3 }]);
        second.Forget("ruby", [used.Path, "/nix/store/c"]);

        Assert.Equal([old with { Bytes = 3 }], second.KeptCompiles("ruby"));
        Assert.Equal([old], second.KeptCompiles("kana"));
        Assert.Empty(second.KeptCompiles("opal"));
    }

    [Fact]
    public void Names_are_data_whatever_is_in_them()
    {
        var odd = "'; DROP TABLE build; --\"\n\u00e9\ud83d\ude00";
        using var history = folder.Open();

        history.Add(Seen.Build(odd));

        Assert.Equal(odd, Assert.Single(history.Builds(odd, "gcc")).Package);
    }

    [Fact]
    public void Only_the_packages_that_are_asked_for_are_read_oldest_first()
    {
        using var history = folder.Open();
        history.Add(
            Seen.Build("gcc", 3, minute: 3), Seen.Build("llvm", 2, minute: 2), Seen.Build("gcc", 1, minute: 1), Seen.Build("hello"));

        Assert.Equal([1, 2, 3], history.Builds("gcc", "llvm", "never-seen").Select(b => b.Seconds));
    }

    [Fact]
    public void Tens_of_thousands_of_packages_are_asked_for_at_once()
    {
        using var history = folder.Open();
        history.Add([.. Enumerable.Range(0, 500).Select(i => Seen.Build($"package{i}"))]);

        Assert.Equal(500, history.Builds(Enumerable.Range(0, 50_000).Select(i => $"package{i}").ToHashSet()).Count);
    }

    [Fact]
    public void Of_each_package_and_system_the_newest_few_dozen_are_kept()
    {
        using var history = folder.Open();
        for (var i = 0; i < 100; i++) history.Add(Seen.Build("gcc", i + 1, minute: i), Seen.Build("gcc", 1000 + i, "riscv64-linux", i));
        history.Add(Seen.Build("rare"));

        var kept = history.Builds("gcc");

        Assert.Equal(Enumerable.Range(77, 24).Select(i => (double)i), kept.Where(b => b.System == "x86_64-linux").Select(b => b.Seconds));
        Assert.Equal(
            Enumerable.Range(1076, 24).Select(i => (double)i), kept.Where(b => b.System == "riscv64-linux").Select(b => b.Seconds));
        Assert.Single(history.Builds("rare"));
        Assert.Equal(49L, folder.Sql("SELECT count(*) FROM build"));
    }

    [Fact]
    public void Of_each_builder_and_direction_the_newest_few_dozen_transfers_are_kept()
    {
        using var history = folder.Open();
        for (var i = 0; i < 60; i++) history.Add([], [Seen.Transfer("ruby", true, i, i), Seen.Transfer("ruby", false, 100 + i, i)]);
        history.Add([], [Seen.Transfer("kana")]);

        var kept = history.Transfers();

        Assert.Equal(
            Enumerable.Range(36, 24).Select(i => (long)i), kept.Where(t => t.Builder == "ruby" && t.ToBuilder).Select(t => t.Bytes));
        Assert.Equal(
            Enumerable.Range(136, 24).Select(i => (long)i), kept.Where(t => t.Builder == "ruby" && !t.ToBuilder).Select(t => t.Bytes));
        Assert.Single(kept, t => t.Builder == "kana");
    }

    [Fact]
    public async Task Nothing_is_lost_when_several_write_at_once()
    {
        // Each with a connection of its own, all of them making the file.
        await Task.WhenAll(Enumerable.Range(0, 6).Select(writer => Task.Run(() =>
        {
            using var history = new SqliteHistory(folder.File, TimeSpan.FromSeconds(30));
            for (var i = 0; i < 40; i++) history.Add([Seen.Build($"package{writer}-{i}")], [Seen.Transfer($"builder{writer}-{i}")]);
        })));

        using var reader = folder.Open();

        Assert.Equal(
            240, reader.Builds([.. Enumerable.Range(0, 6).SelectMany(w => Enumerable.Range(0, 40).Select(i => $"package{w}-{i}"))]).Count);
        Assert.Equal(240, reader.Transfers().Count);
    }

    [Fact]
    public void A_reader_sees_what_another_process_adds()
    {
        using var reader = folder.Open();
        using var writer = folder.Open();
        Assert.Empty(reader.Builds("gcc"));

        writer.Add(Seen.Build("gcc"));

        Assert.Single(reader.Builds("gcc"));
    }

    [Fact]
    public void Estimates_learn_from_it()
    {
        using (var first = folder.Open())
        {
            first.Add(
                [
                    .. Enumerable.Range(0, 9)
                        .Select(i => Seen.Build("mystery", 100 + i, minute: i) with { EnableParallelBuilding = false, SpeedFactor = 1 }),
                ]);
        }
        using var history = folder.Open();
        var graph = new JobGraph([new Job { Name = "mystery-2.0", PackageName = "mystery", System = "x86_64-linux" }]);

        var estimate = Estimator.FromHistory(history, graph).For(graph[0]);

        Assert.InRange(estimate.Seconds, 103, 105);
        Assert.InRange(estimate.Spread, 0, 0.3);
    }

    [Fact]
    public void The_last_that_is_known_of_a_builder_counts_until_it_is_well_or_a_day_has_passed()
    {
        using var history = folder.Open();
        history.Add([Seen.Trouble("kana", 1), Seen.Trouble("opal", 1)]);
        history.Add([Seen.Trouble("ruby", 1, minute: 1), Seen.Trouble("kana", 2, minute: 2)]);
        Assert.Equal([Seen.Trouble("kana", 2, minute: 2), Seen.Trouble("opal", 1), Seen.Trouble("ruby", 1, minute: 1)], history.Troubles());

        history.Add([Seen.Trouble("kana", 0)]);
        Assert.Equal(["opal", "ruby"], history.Troubles().Select(trouble => trouble.Builder));

        history.Add([Seen.Trouble("jade", minute: 24 * 60)]);
        Assert.Equal(["jade", "opal", "ruby"], history.Troubles().Select(trouble => trouble.Builder));

        history.Add([Seen.Trouble("jade", minute: (24 * 60) + 1)]);
        Assert.Equal(["jade", "ruby"], history.Troubles().Select(trouble => trouble.Builder));
    }

    [Fact]
    public void Observations_are_cleared_altogether_or_up_to_a_moment()
    {
        using var history = folder.Open();
        history.Add(
            [Seen.Build("gcc", minute: 1), Seen.Build("gcc", minute: 3)],
            [Seen.Transfer("ruby", minute: 1), Seen.Transfer("ruby", minute: 3)]);

        history.RemoveObservations(Seen.Start.AddMinutes(2));
        Assert.Equal([Seen.Start.AddMinutes(3)], history.Builds("gcc").Select(build => build.At));
        Assert.Equal([Seen.Start.AddMinutes(3)], history.Transfers().Select(transfer => transfer.At));
        history.Add([Seen.Trouble("ruby", minute: 3)]);

        history.RemoveObservations(before: null);
        Assert.Empty(history.Builds("gcc"));
        Assert.Empty(history.Transfers());
        Assert.Empty(history.Troubles());
    }
}
