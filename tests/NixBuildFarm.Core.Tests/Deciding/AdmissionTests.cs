using NixBuildFarm.Builders;
using NixBuildFarm.Deciding;
using NixBuildFarm.Deciding.Journal;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>What a run makes of what machines tell.</summary>
public sealed class AdmissionTests
{
    private const long Megabyte = 1L << 20;

    private static readonly MachineReading Healthy = new()
    {
        Cores = 2, Load = 0, Memory = 8000 * Megabyte, MemoryAvailable = 6000 * Megabyte,
    };

    private static readonly MachineReading Full = Healthy with { MemoryAvailable = 0 };

    private readonly GivenWork farm = new("ruby", "kana") { MaxJobs = 1 };

    [Fact]
    public void A_builder_that_is_short_of_memory_takes_no_build_until_it_tells_otherwise()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [farm.Derivation("one"), farm.Derivation("two")]), ["ruby"]);
        var first = Assert.Single(run.Started);

        run.Apply(new RunEvent.MachineRead(first.On, Full));
        run.Succeed(first);
        Assert.Single(run.Started);
        Assert.Contains("ruby takes no new builds for now: only 0 MiB of its memory are available.", run.Decisions);

        run.Now += 10;
        run.Apply(new RunEvent.MachineRead(first.On, Healthy));
        Assert.Equal(2, run.Started.Count);
        Assert.Contains("ruby takes builds again.", run.Decisions);
    }

    [Fact]
    public void A_builder_that_has_too_little_space_as_it_is_connected_gets_not_even_a_first_build()
    {
        farm.FirstReadings["ruby"] = new() { StoreFree = 0 };
        farm.FirstReadings["kana"] = Healthy;
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [farm.Derivation("one"), farm.Derivation("two")]), ["ruby", "kana"]);

        Assert.Equal("kana", Assert.Single(run.Started).On.Name);
        Assert.Contains("ruby takes no new builds for now: only 0 MiB of its disk are free.", run.Decisions);
        Assert.Empty(run.Warnings);

        run.Apply(new RunEvent.MachineRead(run.Farm[0], Healthy with { StoreFree = 8000 * Megabyte }));
        Assert.Equal(["kana", "ruby"], run.Started.Select(attempt => attempt.On.Name));

        var replayed = ReplayedRun.Of(run.Journal);
        Assert.Contains("say ruby takes no new builds for now: only 0 MiB of its disk are free.", replayed.Decided);
        Assert.Equal(replayed.Recorded, replayed.Decided);
    }

    [Fact]
    public void A_builder_whose_owner_is_there_as_it_is_connected_is_left_to_him()
    {
        farm.Policies["ruby"] = new() { IdleOnly = true };
        farm.LeftLoads["ruby"] = 1;
        farm.FirstReadings["ruby"] = Healthy with { Load = 2 };
        farm.FirstReadings["kana"] = Healthy with { Load = 2 };
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [farm.Derivation("one"), farm.Derivation("two")]), ["ruby", "kana"]);

        Assert.Equal("kana", Assert.Single(run.Started).On.Name);
        Assert.Contains("ruby takes no new builds for now: its owner uses it.", run.Decisions);
    }

    [Fact]
    public void The_load_that_the_users_own_last_run_has_left_is_not_taken_for_an_owner()
    {
        farm.Policies["ruby"] = new() { IdleOnly = true };
        farm.LeftLoads["ruby"] = 2.1;
        farm.FirstReadings["ruby"] = Healthy with { Load = 2 };
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);

        Assert.Equal("ruby", Assert.Single(run.Started).On.Name);
        var replayed = ReplayedRun.Of(run.Journal);
        Assert.Equal(replayed.Recorded, replayed.Decided);
    }

    [Fact]
    public void A_builder_that_comes_later_is_held_by_what_its_machine_tells_then()
    {
        farm.FirstReadings["kana"] = new() { StoreFree = 0 };
        var top = farm.Derivation("top", [farm.Derivation("one"), farm.Derivation("two")]);
        var run = DecidedRun.Begin(farm, top, ["ruby"], connecting: ["kana"]);

        var expected = Assert.Single(run.First.OfType<RunAction.Await>()).Connection;
        run.Apply(new RunEvent.BuilderConnected(expected, run.Connect("kana"), []));

        Assert.Equal("ruby", Assert.Single(run.Started).On.Name);
    }

    [Fact]
    public void What_others_have_of_the_memory_is_not_given_to_builds_and_that_is_said()
    {
        var given = new GivenWork("ruby") { MaxJobs = 1, Memory = 16_000_000_000 };
        var run = DecidedRun.Begin(given, given.Derivation("top", [given.Derivation("one")]), ["ruby"]);
        var first = Assert.Single(run.Started);
        var reading = Healthy with { Memory = 16_000_000_000, MemoryAvailable = 8_000_000_000 };

        run.Apply(new RunEvent.MachineRead(first.On, reading));
        run.Apply(new RunEvent.MachineRead(first.On, reading));

        Assert.Equal(
            ["Others have 8.0 GB of the memory of ruby; builds may have 8.0 GB there."],
            run.Decisions.Where(said => said.StartsWith("Others", StringComparison.Ordinal)));
        run.Apply(new RunEvent.MachineRead(first.On, null));
        Assert.Contains("Others have 0.0 GB of the memory of ruby; builds may have 16.0 GB there.", run.Decisions);
    }

    [Fact]
    public void A_builder_that_is_held_for_another_reason_than_before_says_so()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [farm.Derivation("one")]), ["ruby"]);
        var on = Assert.Single(run.Started).On;

        run.Apply(new RunEvent.MachineRead(on, Full));
        run.Apply(new RunEvent.MachineRead(on, Healthy with { StoreFree = 0 }));
        run.Apply(new RunEvent.MachineRead(on, Healthy with { StoreFree = 0 }));
        run.Apply(new RunEvent.MachineRead(on, Healthy));

        Assert.Equal(
            ["only 0 MiB of its memory are available", "only 0 MiB of its disk are free", "ruby takes builds again"],
            run.Decisions.Where(said => said.StartsWith("ruby takes", StringComparison.Ordinal))
                .Select(said => said.Split(": ")[^1].TrimEnd('.')));
    }

    [Fact]
    public void Another_builder_takes_what_it_would_have_taken()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [farm.Derivation("one")]), ["ruby", "kana"]);
        var first = Assert.Single(run.Started);

        run.Apply(new RunEvent.MachineRead(first.On, Full));
        run.Succeed(first);

        Assert.NotEqual(first.On, run.Started[1].On);
    }

    [Fact]
    public void Where_no_builder_takes_builds_and_nothing_runs_the_user_is_told_once()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [farm.Derivation("one")]), ["ruby"]);
        var first = Assert.Single(run.Started);
        run.Apply(new RunEvent.MachineRead(first.On, Full));
        run.Succeed(first);
        Assert.Empty(run.Warnings);

        for (var i = 0; i < 5; i++)
        {
            run.Now += 10;
            run.Apply(new RunEvent.MachineRead(first.On, Full));
        }

        Assert.Contains("ruby: only 0 MiB of its memory are available", Assert.Single(run.Warnings));
    }

    [Fact]
    public void Who_waits_for_a_builder_that_is_held_is_told_also_where_another_one_is_idle()
    {
        farm.Features["ruby"] = ["gem"];
        var gem = new Dictionary<string, string> { ["requiredSystemFeatures"] = "gem" };
        var run = DecidedRun.Begin(
            farm, farm.Derivation("top", [farm.Derivation("one", environment: gem)], environment: gem), ["ruby", "kana"]);
        var first = Assert.Single(run.Started);
        run.Apply(new RunEvent.MachineRead(first.On, Full));
        run.Succeed(first);

        run.Apply(new RunEvent.MachineRead(first.On, Full));

        Assert.Equal(
            "Nothing can be built for now: ruby: only 0 MiB of its memory are available. What is to be built waits.",
            Assert.Single(run.Warnings));
    }

    [Fact]
    public void A_builder_whose_machine_tells_nothing_more_takes_builds()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [farm.Derivation("one")]), ["ruby"]);
        var first = Assert.Single(run.Started);
        run.Apply(new RunEvent.MachineRead(first.On, Full));
        run.Succeed(first);

        run.Apply(new RunEvent.MachineRead(first.On, null));

        Assert.Equal(2, run.Started.Count);
    }

    [Fact]
    public void A_job_that_found_no_space_goes_elsewhere_and_others_do_not_follow_it()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [farm.Derivation("one"), farm.Derivation("two")]), ["ruby", "kana"]);
        var full = run.Started[0];
        run.Apply(new RunEvent.MachineRead(full.On, Healthy));

        run.Apply(new RunEvent.AttemptFailed(full, new DaemonException(full.On.Name, "writing to file: No space left on device")));
        run.Succeed(run.Started[1]);
        while (run.Started.Find(attempt => attempt.IsRunning) is { } next) run.Succeed(next);

        Assert.All(run.Started.Skip(1), attempt => Assert.NotEqual(full.On, attempt.On));
        Assert.Contains($"{full.On} takes no new builds for now: a build found no space left there.", run.Decisions);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_most_memory_that_a_build_was_seen_with_is_its_peak(bool isOutputSeen)
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var attempt = Assert.Single(run.Started);
        run.Apply(new RunEvent.BuildBegan(attempt, 0, null));

        foreach (var memory in new[] { 100, 300, 200 })
        {
            run.Now += 10;
            run.Apply(new RunEvent.MachineRead(attempt.On, Healthy with { Builds = [Stranger, Seen(memory)] }));
        }
        run.Now += 10;
        run.Succeed(attempt);

        Assert.Equal(300 * Megabyte, attempt.Outcome!.PeakMemory);
        // 30 s until it was last seen, and as much a second until its end after 40 s.
        Assert.Equal(TimeSpan.FromSeconds(40), attempt.Outcome.ProcessorTime);

        MachineBuild Seen(int memory) => new()
        {
            Name = isOutputSeen ? "another" : attempt.Job.Name,
            Output = isOutputSeen ? attempt.Job.Outputs[0].ToString() : null,
            User = 30001,
            Memory = memory * Megabyte,
            ProcessorTime = TimeSpan.FromSeconds(run.Now),
        };
    }

    [Fact]
    public void Builds_that_are_not_ours_are_no_measure_of_ours()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var attempt = Assert.Single(run.Started);
        run.Apply(new RunEvent.BuildBegan(attempt, 0, null));

        var sameName = Stranger with { Name = attempt.Job.Name, Output = "/nix/store/00000000000000000000000000000000-top" };
        run.Apply(new RunEvent.MachineRead(attempt.On, Healthy with { Builds = [Stranger, sameName] }));
        run.Succeed(attempt);

        Assert.Equal((null, null), (attempt.Outcome!.PeakMemory, attempt.Outcome.ProcessorTime));
    }

    [Fact]
    public void The_progress_tells_builds_of_the_run_from_those_of_others()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var attempt = Assert.Single(run.Started);
        run.Apply(new RunEvent.BuildBegan(attempt, 0, null));

        var own = Stranger with { Name = "top", Output = attempt.Job.Outputs[0].ToString() };
        run.Apply(new RunEvent.MachineRead(attempt.On, Healthy with { Builds = [Stranger, own] }));

        Assert.Equal([false, true], run.Progress!.Machines["ruby"].Builds.Select(build => build.IsOwn));
    }

    [Fact]
    public void A_run_with_readings_is_decided_again_from_its_journal()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [farm.Derivation("one")]), ["ruby"]);
        var first = Assert.Single(run.Started);
        run.Apply(new RunEvent.MachineRead(first.On, Full with { Builds = [Stranger] }));
        run.Succeed(first);
        run.Apply(new RunEvent.MachineRead(first.On, null));
        foreach (var copy in run.Succeed(run.Started[1]).OfType<RunAction.BringHome>()) run.ComeHome(copy.Copy);

        var replayed = ReplayedRun.Of(run.Journal);

        Assert.Contains("say ruby takes builds again.", replayed.Decided);
        Assert.Equal(replayed.Recorded, replayed.Decided);
    }

    private static MachineBuild Stranger { get; } = new()
    {
        Name = "firefox", User = 30009, Memory = 4000 * Megabyte, ProcessorTime = TimeSpan.FromHours(1),
    };
}
