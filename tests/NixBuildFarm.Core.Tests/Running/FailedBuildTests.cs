using NixBuildFarm.History;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A build that fails: tried again where another builder may do better, given up with the reasons elsewhere.</summary>
public sealed class FailedBuildTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby", "kana");

    public void Dispose() => farm.Dispose();

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
        farm["ruby"].Builds(
            _ => Task.FromResult(new BuildResult { Status = BuildStatus.TransientFailure, ErrorMessage = "the disk is full" }));

        var results = await farm.BuildAsync(
            farm.Derivation("top", [.. Enumerable.Range(0, 6).Select(i => farm.Derivation($"leaf{i}"))]), on: ["ruby", "kana"]);

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "kana"), (result.Status, result.Builder)));
        Assert.Contains(
            results.Values, result => result.Attempts.Any(attempt => attempt is { Builder: "ruby", Reason: "the disk is full" }));
    }

    [Fact]
    public async Task A_build_that_no_machine_can_carry_out_is_given_up_with_all_reasons()
    {
        foreach (var name in new[] { "ruby", "kana" })
        {
            farm[name].Builds(
                _ => Task.FromResult(new BuildResult { Status = BuildStatus.TransientFailure, ErrorMessage = $"{name} has no room" }));
        }

        var result = Assert.Single(await farm.BuildAsync(farm.Derivation("top"), on: ["ruby", "kana"])).Value;

        Assert.Equal(NixBuildStatus.Failed, result.Status);
        Assert.Contains("ruby has no room", result.Error);
        Assert.Contains("kana has no room", result.Error);
    }

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
            if (name != "large")
            {
                machines[name].Builds(
                    _ =>
                        Task.FromResult(
                            new BuildResult
                            {
                                Status = BuildStatus.PermanentFailure,
                                ErrorMessage = "builder failed due to signal 9 (Killed)",
                            }));
            }
        }
        machines["large"].Builds(build => Task.FromResult(build.Succeed()));

        var result = (await machines.BuildAsync(machines.Derivation("fat", system: "x86_64-linux"), on: ["small", "same", "large"]))["fat"];

        Assert.Equal((NixBuildStatus.Built, "large"), (result.Status, result.Builder));
        Assert.InRange(machines["small"].Built.Count + machines["same"].Built.Count, 0, 1);
    }

    [Fact]
    public async Task A_build_that_is_killed_beside_another_is_built_with_the_machine_to_itself()
    {
        using var machines = new FakeFarm("only");
        machines["only"].Machine = "memory 8000000000\n";
        var (together, killed) = (new TaskCompletionSource(), false);
        machines["only"].Builds(async build =>
        {
            if (build.Path.Name == "other.drv") await together.Task;
            if (build.Path.Name != "fat.drv" || killed) return build.Succeed();
            killed = true;
            together.SetResult();
            return new() { Status = BuildStatus.PermanentFailure, ErrorMessage = "builder failed due to signal 9 (Killed)" };
        });

        var results = await machines.BuildAsync(
            machines.Derivation("top", [machines.Derivation("other"), machines.Derivation("fat")]), on: ["only"]);

        Assert.Equal((NixBuildStatus.Built, "only"), (results["fat"].Status, results["fat"].Builder));
        Assert.Single(results["fat"].Attempts, attempt => attempt.Reason.StartsWith("It was killed by signal 9", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_build_that_is_killed_where_no_machine_has_more_memory_has_failed()
    {
        foreach (var name in new[] { "ruby", "kana" })
        {
            farm[name].Machine = "memory 4000000000\n";
            farm[name].Builds(
                _ =>
                    Task.FromResult(
                        new BuildResult
                        {
                            Status = BuildStatus.PermanentFailure,
                            ErrorMessage = "builder failed due to signal 9 (Killed)",
                        }));
        }

        var result = (await farm.BuildAsync(farm.Derivation("fat"), on: ["ruby", "kana"]))["fat"];

        Assert.Equal(NixBuildStatus.Failed, result.Status);
        var killer = Assert.Single(result.Attempts).Builder;
        Assert.Contains(
            $"It was killed by signal 9 on {killer}. The kernel does that when memory runs out; {killer} has 4 GB.", result.Error);
        Assert.Single(farm["ruby"].Built.Concat(farm["kana"].Built));
    }

    [Fact]
    public async Task A_build_that_is_killed_says_nothing_of_a_memory_that_nobody_knows()
    {
        foreach (var name in new[] { "ruby", "kana" })
        {
            farm[name].Builds(
                _ =>
                    Task.FromResult(
                        new BuildResult
                        {
                            Status = BuildStatus.PermanentFailure,
                            ErrorMessage = "builder failed due to signal 9 (Killed)",
                        }));
        }

        var result = (await farm.BuildAsync(farm.Derivation("fat"), on: ["ruby", "kana"]))["fat"];

        Assert.Equal(NixBuildStatus.Failed, result.Status);
        Assert.Equal($"It was killed by signal 9 on {result.Builder}. The kernel does that when memory runs out.", result.Error);
        Assert.All(
            result.Attempts,
            attempt =>
                Assert.Equal(
                    $"It was killed by signal 9 on {attempt.Builder}. The kernel does that when memory runs out.", attempt.Reason));
        Assert.Equal(2, farm["ruby"].Built.Concat(farm["kana"].Built).Count());
    }
}
