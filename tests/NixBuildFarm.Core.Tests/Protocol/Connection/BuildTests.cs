using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Protocol.Connection;

public class BuildTests
{
    private static readonly StorePath Drv = FakeStore.PathOf("hello.drv");
    private static readonly StorePath Out = FakeStore.PathOf("hello");

    private static readonly BasicDerivation Hello = new()
    {
        Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(Out, "", "") },
        InputPaths = [FakeStore.PathOf("bash")],
        System = "riscv64-linux",
        Builder = "/bin/sh",
        Arguments = ["-c", "true"],
        Environment = new Dictionary<string, string> { ["out"] = Out.ToString() },
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<int> Versions => [32, 33, 34, 35, 36, 37, 38];

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_derivation_is_sent_and_built_and_its_log_comes_line_by_line(int minor)
    {
        FakeBuild? seen = null;
        var daemon = new FakeDaemon
        {
            Version = new(1, (byte)minor),
            Build = async build =>
            {
                seen = build;
                await build.EnterPhaseAsync("buildPhase");
                await build.LogAsync("one");
                await build.LogAsync("two");
                return build.Succeed() with { CpuUser = TimeSpan.FromSeconds(3), BuiltOutputs = new Dictionary<string, StorePath>
                {
                    ["out"] = Out,
                } };
            },
        };
        var messages = new List<DaemonMessage>();
        await using var connection = await daemon.OpenAsync();

        var result = await connection.BuildDerivationAsync(Drv, Hello, BuildMode.Normal, messages.Add, Cancellation);

        Assert.Equal(BuildStatus.Built, result.Status);
        Assert.Equal(minor >= 37 ? TimeSpan.FromSeconds(3) : null, result.CpuUser);
        Assert.Equal(Out, result.BuiltOutputs["out"]);
        Assert.Equal([new BuildPhaseEntered(77, "buildPhase"), new BuildLogLine(77, "one"), new BuildLogLine(77, "two")], messages);
        Assert.Equal(Drv, seen!.Path);
        Assert.Equivalent(Hello, seen.Derivation, strict: true);
        Assert.True(await connection.IsValidPathAsync(Out, Cancellation));
    }

    [Fact]
    public async Task Outputs_come_with_signatures_where_realisations_have_paths()
    {
        var daemon = new FakeDaemon { Version = ProtocolVersion.Newest, Build = build => Task.FromResult(build.Succeed() with
        {
            BuiltOutputs = new Dictionary<string, StorePath> { ["dev"] = FakeStore.PathOf("dev"), ["out"] = Out },
        }) };
        await using var connection = await daemon.OpenAsync();

        var result = await connection.BuildDerivationAsync(Drv, Hello, BuildMode.Normal, sink: null, Cancellation);

        Assert.Equal(new Dictionary<string, StorePath> { ["dev"] = FakeStore.PathOf("dev"), ["out"] = Out }, result.BuiltOutputs);
        Assert.True(await connection.IsValidPathAsync(Out, Cancellation));
    }

    [Fact]
    public async Task A_build_that_fails_is_a_result_and_no_error()
    {
        var daemon = new FakeDaemon
        {
            Build = _ =>
                Task.FromResult(
                    new BuildResult { Status = BuildStatus.PermanentFailure, ErrorMessage = "builder failed with exit code 1" }),
        };
        await using var connection = await daemon.OpenAsync();

        var result = await connection.BuildDerivationAsync(Drv, Hello, BuildMode.Normal, sink: null, Cancellation);

        Assert.False(result.IsSuccess);
        Assert.Equal("builder failed with exit code 1", result.ErrorMessage);
        Assert.False(connection.IsBroken);
    }

    [Fact]
    public async Task Settings_a_build_and_questions_about_its_outputs_take_one_round_trip()
    {
        var missing = FakeStore.PathOf("hello-doc");
        var daemon = new FakeDaemon { Faults = new() { HoldRepliesUntil = 4 } };
        await using var connection = await daemon.OpenAsync();

        var (result, outputs) = await connection.BuildDerivationAsync(
            Drv, Hello, new DaemonOptions { BuildCores = 3 }, [Out, missing], sink: null, Cancellation);

        Assert.True(result.IsSuccess);
        Assert.Equal([Out], outputs.Keys);
        Assert.Equal(
            [WorkerOperation.SetOptions, WorkerOperation.BuildDerivation, WorkerOperation.QueryPathInfo, WorkerOperation.QueryPathInfo],
            daemon.Requests);
        Assert.Equal(3, daemon.Options!.BuildCores);
    }

    [Fact]
    public async Task Settings_that_the_daemon_has_are_not_sent_before_the_next_build()
    {
        var daemon = new FakeDaemon();
        var settings = new DaemonOptions { BuildCores = 3 };
        await using var connection = await daemon.OpenAsync();

        await connection.BuildDerivationAsync(Drv, Hello, settings, [], sink: null, Cancellation);
        await connection.BuildDerivationAsync(Drv, Hello, settings, [], sink: null, Cancellation);

        Assert.Equal([WorkerOperation.SetOptions, WorkerOperation.BuildDerivation, WorkerOperation.BuildDerivation], daemon.Requests);
    }

    [Fact]
    public async Task After_a_build_that_is_refused_the_answers_to_what_was_asked_with_it_are_read_too()
    {
        var daemon = new FakeDaemon
        {
            Faults = new() { Refusals = new Dictionary<WorkerOperation, string>
            {
                [WorkerOperation.BuildDerivation] = "you are not privileged to build",
            } },
        };
        await using var connection = await daemon.OpenAsync();

        var refusal = await Assert.ThrowsAsync<DaemonException>(
            () => connection.BuildDerivationAsync(Drv, Hello, new DaemonOptions(), [Out], sink: null, Cancellation));

        Assert.EndsWith("you are not privileged to build", refusal.Text, StringComparison.Ordinal);
        Assert.False(connection.IsBroken);
        Assert.False(await connection.IsValidPathAsync(FakeStore.PathOf("nobody-has-it"), Cancellation));
    }

    [Fact]
    public async Task A_log_without_a_sink_of_its_own_goes_to_the_sink_of_the_connection()
    {
        var daemon = new FakeDaemon
        {
            Build = async build =>
            {
                await build.LogAsync("line");
                return build.Succeed();
            },
        };
        var messages = new List<DaemonMessage>();
        await using var connection = await daemon.OpenAsync(new() { Builder = "ruby", Sink = messages.Add });

        await connection.BuildDerivationAsync(Drv, Hello, BuildMode.Normal, sink: null, Cancellation);

        Assert.Equal([new BuildLogLine(77, "line")], messages);
    }

    [Fact]
    public async Task Cancelling_ends_the_build_and_the_connection()
    {
        var (started, ended) = (new TaskCompletionSource(), new TaskCompletionSource());
        var daemon = new FakeDaemon
        {
            Build = async build =>
            {
                started.SetResult();
                await using var registration = build.Cancelled.Register(ended.SetResult);
                await Task.Delay(Timeout.Infinite, build.Cancelled);
                return build.Succeed();
            },
        };
        using var cancel = new CancellationTokenSource();
        await using var connection = await daemon.OpenAsync();

        var building = connection.BuildDerivationAsync(Drv, Hello, BuildMode.Normal, sink: null, cancel.Token);
        await started.Task.WaitAsync(Cancellation);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => building);
        await ended.Task.WaitAsync(Cancellation);
        Assert.True(connection.IsBroken);
        var e = await Assert.ThrowsAsync<BuilderException>(() => connection.IsValidPathAsync(Out, Cancellation));
        Assert.Equal(BuilderFailure.ConnectionLost, e.Failure);
        Assert.Contains("cancelled", e.Message);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Derivations_in_the_store_are_built_and_paths_substituted(int minor)
    {
        var daemon = new FakeDaemon { Version = new(1, (byte)minor) };
        daemon.Store.Outputs[Drv] = new Dictionary<string, StorePath?> { ["out"] = Out };
        var (info, nar) = FakeStore.FileOf("b", [1]);
        daemon.Store.Substitutable[info.Path] = (info, nar);
        DerivedPath[] paths = [DerivedPath.AllOutputs(Drv), DerivedPath.SomeOutputs(Drv, "out"), DerivedPath.Opaque(info.Path)];
        await using var connection = await daemon.OpenAsync();

        var results = await connection.BuildPathsWithResultsAsync(paths, BuildMode.Normal, sink: null, Cancellation);

        Assert.Equal(paths, results.Select(r => r.Path));
        Assert.All(results, r => Assert.True(r.Result.IsSuccess));
        Assert.True(daemon.Store.IsValid(Out) && daemon.Store.IsValid(info.Path));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task One_of_several_that_fails_does_not_hide_what_succeeded(int minor)
    {
        var broken = FakeStore.PathOf("broken.drv");
        var daemon = new FakeDaemon
        {
            Version = new(1, (byte)minor),
            Build = build =>
                Task.FromResult(
                    build.Path == Drv ? build.Succeed() : new() { Status = BuildStatus.PermanentFailure, ErrorMessage = "it broke" }),
        };
        daemon.Store.Outputs[Drv] = new Dictionary<string, StorePath?> { ["out"] = Out };
        daemon.Store.Outputs[broken] = new Dictionary<string, StorePath?> { ["out"] = FakeStore.PathOf("broken") };
        await using var connection = await daemon.OpenAsync();

        var results = await connection.BuildPathsWithResultsAsync(
            [DerivedPath.AllOutputs(Drv), DerivedPath.AllOutputs(broken), DerivedPath.AllOutputs(FakeStore.PathOf("unknown.drv"))],
            BuildMode.Normal, sink: null, Cancellation);

        Assert.Equal([true, false, false], results.Select(r => r.Result.IsSuccess));
        Assert.Contains("it broke", results[1].Result.ErrorMessage);
        Assert.False(connection.IsBroken);
    }

    [Fact]
    public async Task Before_1_34_the_outputs_are_asked_for_afterwards()
    {
        var daemon = new FakeDaemon { Version = new(1, 33) };
        daemon.Store.Outputs[Drv] = new Dictionary<string, StorePath?> { ["out"] = Out };
        await using var connection = await daemon.OpenAsync();

        var results = await connection.BuildPathsWithResultsAsync(
            [DerivedPath.AllOutputs(Drv)], BuildMode.Normal, sink: null, Cancellation);

        Assert.Equal(Out, results[0].Result.BuiltOutputs["out"]);
    }
}
