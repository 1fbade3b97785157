using System.Collections.Concurrent;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A run as a whole, over daemons in this process.</summary>
public sealed class BuildRunTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby", "kana");

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task A_requested_derivation_is_built_with_its_dependencies_and_is_copied_back()
    {
        var bottom = farm.Derivation("bottom");
        var sides = Enumerable.Range(0, 5).Select(i => farm.Derivation($"side{i}", [bottom])).ToArray();

        var results = await farm.BuildAsync(farm.Derivation("top", sides), on: ["ruby", "kana"]);

        Assert.Equal(7, results.Count);
        Assert.All(results.Values, result => Assert.Equal(NixBuildStatus.Built, result.Status));
        Assert.All(results.Values, result => Assert.Contains(result.Builder, (string[])["ruby", "kana"]));
        Assert.All(results.Keys, name => Assert.True(farm.Local.Has(name), name));
        Assert.True(results["top"].IsRequested);
        Assert.Equal(FakeFarm.OutputOf("top").ToString(), results["top"].Outputs["out"]);
    }

    [Fact]
    public async Task Machines_are_connected_while_nix_evaluates()
    {
        // The local machine says which systems are likely to be asked for.
        farm["ruby"].Features = ["gem"];
        var top = farm.Derivation("top", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "gem" });

        var results = await farm.BuildAsync(top, request => request with { Evaluate = FindAsync }, "local", "ruby");

        Assert.Equal("ruby", results["top"].Builder);

        async Task<IReadOnlyList<RequestedDerivation>> FindAsync(CancellationToken cancellation)
        {
            while (farm["ruby"].Daemon.Options is null) await Task.Delay(10, cancellation);
            return [new(top, [])];
        }
    }

    [Fact]
    public async Task A_failed_evaluation_is_reported_and_leaves_no_connection()
    {
        var error = new NixBuildFarmException("EvaluationFailed", "attribute 'helo' missing");

        var thrown = await Assert.ThrowsAsync<NixBuildFarmException>(
            () => farm.BuildAsync(farm.Derivation("top"), request => request with { Evaluate = _ => Task.FromException<IReadOnlyList<RequestedDerivation>>(error) }));

        Assert.Same(error, thrown);
        await Task.WhenAll(new[] { farm.Local, farm["ruby"], farm["kana"] }.Select(machine => machine.Daemon.AllClosedAsync())).WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task A_path_goes_to_a_machine_once_however_many_builds_wait_for_it()
    {
        Dictionary<string, string> Only(string machine) => new() { ["requiredSystemFeatures"] = machine };
        farm["ruby"].Features = ["ruby"];
        farm["kana"].Features = ["kana"];
        var bottom = farm.Derivation("bottom", environment: Only("kana"));
        var sides = Enumerable.Range(0, 20).Select(i => farm.Derivation($"side{i}", [bottom], Only("ruby"))).ToArray();

        await farm.BuildAsync(farm.Derivation("top", sides, Only("ruby")), on: ["ruby", "kana"]);

        Assert.Single(farm["ruby"].Daemon.Requests, request => request == WorkerOperation.AddToStoreNar);
    }

    [Fact]
    public async Task The_inputs_of_the_next_build_are_under_way_while_others_run()
    {
        // So slow that it has to begin long before it is its turn.
        using var slow = new FakeFarm("ruby", "kana") { History = new KnownLink("ruby", bytesPerSecond: 1) };
        Dictionary<string, string> Only(string machine) => new() { ["requiredSystemFeatures"] = machine };
        slow["ruby"].Features = ["ruby"];
        slow["kana"].Features = ["kana"];
        slow["ruby"].Builds(async build =>
        {
            // They take both slots of ruby, and end only when what the next one needs has come.
            while (build.Path.Name.StartsWith("running", StringComparison.Ordinal) && !slow["ruby"].Has("input")) await Task.Delay(10, TestContext.Current.CancellationToken);
            return build.Succeed();
        });
        var running = Enumerable.Range(0, 2).Select(i => slow.Derivation($"running{i}", environment: Only("ruby"))).ToArray();
        var next = slow.Derivation("next", [slow.Derivation("input", environment: Only("kana"))], Only("ruby"));

        var results = await slow.BuildAsync(slow.Derivation("top", [.. running, next], Only("ruby")), on: ["ruby", "kana"]);

        Assert.All(results.Values, result => Assert.Equal(NixBuildStatus.Built, result.Status));
    }

    [Fact]
    public async Task A_build_that_alone_needs_much_over_a_slow_link_is_placed_where_that_is()
    {
        // More than run at a time there: the others wait, though ruby is idle.
        using var slow = new FakeFarm("ruby") { History = new KnownLink("ruby", bytesPerSecond: 1000) };
        var sources = Enumerable.Range(0, 6).Select(i => slow.Local.Daemon.Store.AddFile($"source{i}", new string('x', 10_000_000))).ToArray();
        var leaves = sources.Select((source, i) => slow.Derivation($"leaf{i}", sources: [source])).ToArray();

        var results = await slow.BuildAsync(slow.Derivation("top", leaves), on: ["local", "ruby"]);

        Assert.All(leaves, leaf => Assert.Equal("local", results[leaf.Name[..^".drv".Length]].Builder));
        Assert.Empty(slow["ruby"].Built);
    }

    [Fact]
    public async Task A_valid_output_is_neither_built_nor_looked_into()
    {
        var top = farm.Derivation("top", [farm.Derivation("bottom")]);
        farm.Local.Daemon.Store.AddFile("top");

        var results = await farm.BuildAsync(top);

        Assert.Equal(NixBuildStatus.AlreadyValid, Assert.Single(results.Values).Status);
    }

    [Fact]
    public async Task A_substitutable_output_is_fetched_and_its_dependencies_are_left_alone()
    {
        var middle = farm.Derivation("middle", [farm.Derivation("bottom")]);
        var (info, nar) = FakeStore.FileOf("middle", [1, 2, 3]);
        farm.Local.Daemon.Store.Substitutable[info.Path] = (info, nar);

        var results = await farm.BuildAsync(farm.Derivation("top", [middle]), on: "ruby");

        Assert.Equal(["middle", "top"], results.Keys.Order());
        Assert.Equal(NixBuildStatus.Substituted, results["middle"].Status);
        Assert.True(farm["ruby"].Has("middle"));
    }

    [Fact]
    public async Task A_build_that_fails_is_not_tried_again_and_what_needs_it_is_not_tried_at_all()
    {
        foreach (var name in new[] { "ruby", "kana" })
        {
            farm[name].Builds(async build =>
            {
                await build.LogAsync("the reason");
                return new() { Status = BuildStatus.PermanentFailure, ErrorMessage = "exit code 1" };
            });
        }

        var results = await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), on: ["ruby", "kana"]);

        Assert.Equal((NixBuildStatus.Failed, NixBuildStatus.DependencyFailed), (results["bottom"].Status, results["top"].Status));
        Assert.Equal("exit code 1", results["bottom"].Error);
        Assert.Equal(["the reason"], results["bottom"].LogTail);
        Assert.Single(farm["ruby"].Built.Concat(farm["kana"].Built));
    }

    [Fact]
    public async Task A_failure_of_the_machine_sends_the_build_elsewhere()
    {
        farm["ruby"].Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.TransientFailure, ErrorMessage = "the disk is full" }));

        var results = await farm.BuildAsync(farm.Derivation("top", [.. Enumerable.Range(0, 6).Select(i => farm.Derivation($"leaf{i}"))]), on: ["ruby", "kana"]);

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "kana"), (result.Status, result.Builder)));
        Assert.Contains(results.Values, result => result.Attempts.Any(attempt => attempt is { Builder: "ruby", Reason: "the disk is full" }));
    }

    [Fact]
    public async Task A_build_that_no_machine_can_carry_out_is_given_up_with_all_reasons()
    {
        foreach (var name in new[] { "ruby", "kana" })
        {
            farm[name].Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.TransientFailure, ErrorMessage = $"{name} has no room" }));
        }

        var result = Assert.Single(await farm.BuildAsync(farm.Derivation("top"), on: ["ruby", "kana"])).Value;

        Assert.Equal(NixBuildStatus.Failed, result.Status);
        Assert.Contains("ruby has no room", result.Error);
        Assert.Contains("kana has no room", result.Error);
    }

    [Fact]
    public async Task A_machine_that_is_lost_in_the_middle_costs_its_running_builds_and_what_only_it_had()
    {
        // Ruby alone can build the bottom's first half, and breaks when it is given the second.
        var firsts = Enumerable.Range(0, 4).Select(i => farm.Derivation($"first{i}")).ToArray();
        farm["ruby"].Builds(build =>
        {
            if (!build.Path.Name.StartsWith("second", StringComparison.Ordinal)) return Task.FromResult(build.Succeed());
            farm["ruby"].Break();
            return Task.FromResult(build.Succeed());
        });
        var seconds = Enumerable.Range(0, 8).Select(i => farm.Derivation($"second{i}", firsts)).ToArray();

        var results = await farm.BuildAsync(farm.Derivation("top", seconds), request => request with { CopyBack = CopyBack.Requested }, "ruby", "kana");

        Assert.All(results.Values, result => Assert.True(result.Success, $"{result.Name}: {result.Error}"));
        Assert.Equal("kana", results["top"].Builder);
        Assert.True(farm.Local.Has("top"));
        Assert.Equal("ruby", Assert.Single(farm.LostBuilders).Builder);
    }

    [Fact]
    public async Task A_machine_that_comes_back_takes_part_again()
    {
        farm["ruby"].Builds(build =>
        {
            if (farm["ruby"].Built.Count > 1) return Task.FromResult(build.Succeed());
            farm["ruby"].Break();
            farm["ruby"].Repair();
            return Task.Delay(Timeout.Infinite, build.Cancelled).ContinueWith(_ => build.Succeed(), TaskScheduler.Default);
        });

        var results = await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), on: "ruby");

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "ruby"), (result.Status, result.Builder)));
        Assert.Contains("It was building bottom", farm.LostBuilders.Single().Error.Message);
        Assert.Equal("ruby", Assert.Single(results["bottom"].Attempts).Builder);
    }

    [Fact]
    public async Task Outputs_that_a_returning_builder_still_has_are_not_rebuilt()
    {
        farm["ruby"].Builds(build =>
        {
            if (build.Path.Name != "middle.drv" || farm["ruby"].Built.Count(name => name == "middle.drv") > 1) return Task.FromResult(build.Succeed());
            farm["ruby"].Break();
            farm["ruby"].Repair();
            return Task.Delay(Timeout.Infinite, build.Cancelled).ContinueWith(_ => build.Succeed(), TaskScheduler.Default);
        });

        var results = await farm.BuildAsync(
            farm.Derivation("top", [farm.Derivation("middle", [farm.Derivation("bottom")])]), request => request with { CopyBack = CopyBack.Requested }, "ruby");

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "ruby"), (result.Status, result.Builder)));
        Assert.Equal(["bottom.drv", "middle.drv", "middle.drv", "top.drv"], farm["ruby"].Built);
    }

    [Fact]
    public async Task A_damaged_output_is_rebuilt_elsewhere_and_reported()
    {
        var (first, second) = DamageFirst(times: 1, "top");

        var result = (await farm.BuildAsync(farm.Derivation("top"), on: ["ruby", "kana"]))["top"];

        Assert.Equal((NixBuildStatus.Built, second()), (result.Status, result.Builder));
        var attempt = Assert.Single(result.Attempts);
        Assert.Equal(first(), attempt.Builder);
        Assert.Contains($"What {first()} has of {FakeFarm.OutputOf("top")} is damaged", attempt.Reason);
        Assert.Contains("nix-store --repair-path", attempt.Reason);
        Assert.True(farm.Local.Has("top"));
    }

    [Theory]
    [InlineData(CopyBack.All)]
    [InlineData(CopyBack.Requested)]
    public async Task An_input_that_is_damaged_where_it_was_built_is_built_again_elsewhere(CopyBack copyBack)
    {
        var (first, second) = DamageFirst(times: 1, "bottom");
        farm.Local.Builds(build => Task.FromResult(build.Succeed()));
        farm["ruby"].Features = farm["kana"].Features = ["gem"];
        var bottom = farm.Derivation("bottom", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "gem" });
        var top = farm.Derivation("top", [bottom], new Dictionary<string, string> { ["preferLocalBuild"] = "1" });

        var results = await farm.BuildAsync(top, request => request with { CopyBack = copyBack });

        Assert.All(results.Values, result => Assert.True(result.Success, $"{result.Name}: {result.Error}"));
        Assert.Equal("local", results["top"].Builder);
        Assert.NotEqual(first(), second());
        Assert.Contains(farm.Warnings, warning => warning.Contains($"What {first()} has of {FakeFarm.OutputOf("bottom")} is damaged", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_output_that_is_damaged_on_every_builder_is_given_up_with_all_reasons()
    {
        DamageFirst(times: 9, "top");

        var result = (await farm.BuildAsync(farm.Derivation("top"), on: ["ruby", "kana"]))["top"];

        Assert.Equal(NixBuildStatus.Failed, result.Status);
        Assert.Contains("What ruby has of", result.Error);
        Assert.Contains("What kana has of", result.Error);
        Assert.False(farm.Local.Has("top"));
    }

    /// <summary>The first so many builds of something leave in the store what is not what was registered.</summary>
    private (Func<string> First, Func<string> Second) DamageFirst(int times, string name)
    {
        var builders = new ConcurrentQueue<string>();
        foreach (var machine in new[] { "ruby", "kana" })
        {
            farm[machine].Builds(build =>
            {
                var result = build.Succeed();
                if (build.Path.Name != name + ".drv") return Task.FromResult(result);
                builders.Enqueue(machine);
                var path = FakeFarm.OutputOf(name);
                var nar = (byte[])build.Store.FindNar(path)!.Clone();
                nar[nar.Length / 2] ^= 1;
                if (builders.Count <= times) build.Store.Add(build.Store.Find(path)!, nar);
                return Task.FromResult(result);
            });
        }
        return (() => builders.First(), () => builders.Skip(1).First());
    }

    [Fact]
    public async Task A_machine_that_fails_again_and_again_is_left_alone()
    {
        farm["ruby"].Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.TransientFailure, ErrorMessage = "the disk is full" }));
        farm["kana"].Builds(async build =>
        {
            await Task.Delay(20, build.Cancelled);
            return build.Succeed();
        });

        var results = await farm.BuildAsync(farm.Derivation("top", [.. Enumerable.Range(0, 40).Select(i => farm.Derivation($"leaf{i}"))]), on: ["ruby", "kana"]);

        Assert.All(results.Values, result => Assert.True(result.Success, $"{result.Name}: {result.Error}"));
        Assert.InRange(farm["ruby"].Built.Count, 1, 6);
        Assert.Contains(farm.Warnings, warning => warning.Contains("ruby fails again and again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_machine_that_made_trouble_is_left_alone_by_the_next_run_and_told()
    {
        var history = new KnownTroubles();
        using var machines = new FakeFarm("ruby", "kana") { History = history };
        machines["ruby"].Unreachable = new BuilderException("ruby", BuilderFailure.Unreachable, "no route");
        await machines.BuildAsync(machines.Derivation("first"), on: ["ruby", "kana"]);
        Assert.Equal(("ruby", "no route"), (history.Troubles().Single().Builder, history.Troubles().Single().Reason));
        machines["ruby"].Repair();
        machines["ruby"].Builds(build => Task.FromResult(build.Succeed()));

        await machines.BuildAsync(machines.Derivation("second"), on: ["ruby", "kana"]);

        Assert.Empty(machines["ruby"].Built);
        Assert.Contains("ruby made trouble in an earlier run, and is left alone", Assert.Single(machines.Warnings));
        Assert.Single(machines.LostBuilders);
    }

    [Fact]
    public async Task A_machine_that_made_trouble_is_tried_at_once_where_nobody_else_may_build_and_is_trusted_again_when_it_did()
    {
        var history = new KnownTroubles(Trouble("ruby", DateTimeOffset.UtcNow.AddMinutes(4)));
        using var machines = new FakeFarm("ruby", "kana") { History = history };
        machines["ruby"].Features = ["gem"];

        var results = await machines.BuildAsync(
            machines.Derivation("top", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "gem" }), on: ["ruby", "kana"]);

        Assert.Equal((NixBuildStatus.Built, "ruby"), (results["top"].Status, results["top"].Builder));
        Assert.Empty(history.Troubles());
    }

    [Fact]
    public async Task A_machine_whose_time_has_come_takes_part_from_the_start_and_one_failure_is_enough()
    {
        var history = new KnownTroubles(Trouble("ruby", DateTimeOffset.UtcNow.AddMinutes(-1)));
        using var machines = new FakeFarm("ruby", "kana") { History = history };
        machines["ruby"].Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.TransientFailure, ErrorMessage = "the disk is full" }));
        machines["kana"].Builds(async build =>
        {
            await Task.Delay(20, build.Cancelled);
            return build.Succeed();
        });

        await machines.BuildAsync(machines.Derivation("top", [.. Enumerable.Range(0, 6).Select(i => machines.Derivation($"leaf{i}"))]), on: ["ruby", "kana"]);

        Assert.Contains(machines.Warnings, warning => warning.Contains("ruby fails again and again, and gets nothing for 8 s", StringComparison.Ordinal));
        Assert.Equal((4, "the disk is full"), (history.Troubles().Single().Openings, history.Troubles().Single().Reason));
    }

    private static BuilderTrouble Trouble(string builder, DateTimeOffset until) => new() { Builder = builder, Openings = 3, Until = until, Reason = "no route" };

    [Fact]
    public async Task A_derivation_that_takes_machine_after_machine_with_it_is_given_up()
    {
        using var larger = new FakeFarm("a", "b", "c", "d");
        foreach (var name in new[] { "a", "b", "c", "d" })
        {
            larger[name].Builds(build =>
            {
                larger[name].Break();
                return Task.FromResult(build.Succeed());
            });
        }

        var result = Assert.Single(await larger.BuildAsync(larger.Derivation("poison"), on: ["a", "b", "c", "d"])).Value;

        Assert.Equal(NixBuildStatus.Failed, result.Status);
        Assert.Contains("Given up after 3 tries", result.Error);
        Assert.Equal(3, result.Attempts.Select(attempt => attempt.Builder).Distinct().Count());
    }

    [Fact]
    public async Task A_build_that_is_killed_is_tried_once_more_where_there_is_more_memory()
    {
        using var machines = new FakeFarm("small", "same", "large");
        foreach (var (name, memory) in new[] { ("small", 4), ("same", 4), ("large", 8) })
        {
            machines[name].Machine = $"memory {memory * 1_000_000_000L}\n";
            if (name != "large") machines[name].Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.PermanentFailure, ErrorMessage = "builder failed due to signal 9 (Killed)" }));
        }
        machines["large"].Builds(build => Task.FromResult(build.Succeed()));

        var result = (await machines.BuildAsync(machines.Derivation("fat", system: "x86_64-linux"), on: ["small", "same", "large"]))["fat"];

        Assert.Equal((NixBuildStatus.Built, "large"), (result.Status, result.Builder));
        Assert.InRange(machines["small"].Built.Count + machines["same"].Built.Count, 0, 1);
    }

    [Fact]
    public async Task A_build_that_is_killed_where_no_machine_has_more_memory_has_failed()
    {
        foreach (var name in new[] { "ruby", "kana" })
        {
            farm[name].Machine = "memory 4000000000\n";
            farm[name].Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.PermanentFailure, ErrorMessage = "builder failed due to signal 9 (Killed)" }));
        }

        var result = (await farm.BuildAsync(farm.Derivation("fat"), on: ["ruby", "kana"]))["fat"];

        Assert.Equal(NixBuildStatus.Failed, result.Status);
        var killer = Assert.Single(result.Attempts).Builder;
        Assert.Contains($"It was killed by signal 9 on {killer}. The kernel does that when memory runs out; {killer} has 4 GB.", result.Error);
        Assert.Single(farm["ruby"].Built.Concat(farm["kana"].Built));
    }

    [Fact]
    public async Task A_build_that_is_killed_says_nothing_of_a_memory_that_nobody_knows()
    {
        foreach (var name in new[] { "ruby", "kana" })
        {
            farm[name].Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.PermanentFailure, ErrorMessage = "builder failed due to signal 9 (Killed)" }));
        }

        var result = (await farm.BuildAsync(farm.Derivation("fat"), on: ["ruby", "kana"]))["fat"];

        Assert.Equal(NixBuildStatus.Failed, result.Status);
        Assert.Equal($"It was killed by signal 9 on {result.Builder}. The kernel does that when memory runs out.", result.Error);
        Assert.All(result.Attempts, attempt => Assert.Equal($"It was killed by signal 9 on {attempt.Builder}. The kernel does that when memory runs out.", attempt.Reason));
        Assert.Equal(2, farm["ruby"].Built.Concat(farm["kana"].Built).Count());
    }

    [Fact]
    public async Task Logs_that_cannot_be_kept_cost_nothing_but_themselves()
    {
        var results = await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), request => request with { LogFolder = "/dev/null/logs" }, "ruby");

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, null), (result.Status, result.LogPath)));
        Assert.Contains("/dev/null/logs", Assert.Single(farm.Warnings));
    }

    [Fact]
    public async Task Without_the_local_store_the_run_ends_and_says_what_became_of_each()
    {
        farm["ruby"].Builds(build =>
        {
            farm.Local.Break();
            return Task.FromResult(build.Succeed());
        });

        var error = await Assert.ThrowsAsync<BuilderException>(() => farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), on: "ruby"));

        Assert.Equal(NixBuilder.LocalName, error.Builder);
        Assert.Contains("start the run again", error.Recommendation);
        Assert.Contains(farm.Results, result => result is { Name: "top", Success: false });
    }

    [Fact]
    public async Task A_machine_that_cannot_be_reached_is_told_and_done_without()
    {
        farm["ruby"].Unreachable = new BuilderException("ruby", BuilderFailure.Unreachable, "no route");

        var results = await farm.BuildAsync(farm.Derivation("top"), on: ["ruby", "kana"]);

        Assert.Equal("kana", results["top"].Builder);
        Assert.Equal(("ruby", "no route"), (farm.LostBuilders.Single().Builder, farm.LostBuilders.Single().Error.Message));
    }

    [Fact]
    public async Task Without_any_machine_everything_is_told_to_have_none()
    {
        farm["ruby"].Unreachable = new BuilderException("ruby", BuilderFailure.Unreachable, "no route");

        var results = await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), on: "ruby");

        Assert.Equal((NixBuildStatus.NoEligibleBuilder, NixBuildStatus.DependencyFailed), (results["bottom"].Status, results["top"].Status));
    }

    [Fact]
    public async Task A_machine_that_does_not_trust_us_gets_whole_derivations()
    {
        farm["ruby"].Builds(build => Task.FromResult(build.Succeed()), DaemonTrust.NotTrusted);

        var results = await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), on: "ruby");

        Assert.Equal((NixBuildStatus.Built, "ruby"), (results["top"].Status, results["top"].Builder));
        Assert.True(farm.Local.Has("top"));
        Assert.True(farm["ruby"].Has("top.drv"));
        // One is the question whether it trusts us.
        Assert.Single(farm["ruby"].Daemon.Requests, request => request == WorkerOperation.BuildDerivation);
    }

    [Fact]
    public async Task A_machine_that_does_not_take_an_input_is_told_and_has_not_been_tried()
    {
        farm["ruby"].Builds(build => Task.FromResult(build.Succeed()), DaemonTrust.NotTrusted);
        farm["kana"].Features = ["kana"];
        var bottom = farm.Derivation("bottom", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "kana" });

        var results = await farm.BuildAsync(farm.Derivation("top", [bottom]), request => request with { MaxAttempts = 1 }, "ruby", "kana");

        Assert.Equal((NixBuildStatus.Built, "kana"), (results["top"].Status, results["top"].Builder));
        Assert.All(results["top"].Attempts, attempt => Assert.Contains("signed", attempt.Reason));
    }

    [Fact]
    public async Task An_untrusted_user_is_told_before_anything_is_built()
    {
        farm.Local.Builds(build => Task.FromResult(build.Succeed()), DaemonTrust.NotTrusted);

        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => farm.BuildAsync(farm.Derivation("top"), on: "ruby"));

        Assert.Equal("UntrustedUser", error.Id);
        Assert.Empty(farm.Results);
        Assert.Contains("trusted-users", error.Recommendation);
    }

    [Theory]
    [InlineData(CopyBack.All, true, true)]
    [InlineData(CopyBack.Requested, true, false)]
    [InlineData(CopyBack.None, false, false)]
    public async Task CopyBack_decides_which_outputs_are_copied_back(CopyBack copyBack, bool top, bool bottom)
    {
        await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), request => request with { CopyBack = copyBack }, "ruby");

        Assert.Equal((top, bottom), (farm.Local.Has("top"), farm.Local.Has("bottom")));
    }

    [Fact]
    public async Task A_floating_output_is_copied_back_and_registered()
    {
        var results = await farm.BuildAsync(farm.Floating("floating"), on: "ruby");

        var output = StorePath.Parse(results["floating"].Outputs["out"]);
        Assert.True(farm.Local.Daemon.Store.IsValid(output));
        Assert.Contains($"\"outPath\":\"{output.BaseName}\"", Assert.Single(farm.Local.Daemon.Store.Realisations));
    }

    [Fact]
    public async Task A_path_that_a_builder_smuggles_in_as_a_reference_goes_nowhere()
    {
        farm["ruby"].Features = ["first"];
        farm["kana"].Features = ["second"];
        farm["ruby"].Builds(build =>
        {
            var result = build.Succeed();
            var stranger = build.Store.AddFile("stranger", "of ruby's own");
            var honest = build.Store.Find(FakeFarm.OutputOf("bottom"))!;
            build.Store.Add(honest with { References = [stranger] }, build.Store.FindNar(honest.Path)!);
            return Task.FromResult(result);
        });
        var bottom = farm.Derivation("bottom", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "first" });

        var results = await farm.BuildAsync(farm.Derivation("top", [bottom], new Dictionary<string, string> { ["requiredSystemFeatures"] = "second" }), request => request with { MaxAttempts = 1 }, "ruby", "kana");

        Assert.Equal((NixBuildStatus.Failed, NixBuildStatus.DependencyFailed), (results["bottom"].Status, results["top"].Status));
        Assert.False(farm.Local.Has("stranger"));
        Assert.False(farm["kana"].Has("stranger"));
        Assert.Contains("which is no input of bottom", results["bottom"].Error);
        Assert.Equal("ruby", farm.LostBuilders.First().Builder);
    }

    [Fact]
    public async Task A_machine_that_has_not_what_it_says_to_have_built_is_found_out()
    {
        farm["ruby"].Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.Built }));

        var result = (await farm.BuildAsync(farm.Derivation("top"), request => request with { MaxAttempts = 1 }, "ruby"))["top"];

        Assert.Equal(NixBuildStatus.Failed, result.Status);
        Assert.Contains("but does not have", result.Error);
    }

    [Fact]
    public async Task Every_path_that_a_run_relies_on_is_protected_from_the_garbage_collector()
    {
        var bottom = farm.Derivation("bottom");
        await farm.BuildAsync(farm.Derivation("top", [bottom]), on: "ruby");

        foreach (var name in new[] { "bottom", "top" })
        {
            Assert.Contains(FakeFarm.OutputOf(name), farm["ruby"].Daemon.Store.TempRoots);
            Assert.Contains(FakeFarm.OutputOf(name), farm.Local.Daemon.Store.TempRoots);
        }
        Assert.Contains(bottom, farm.Local.Daemon.Store.TempRoots);
    }
}
