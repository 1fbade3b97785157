using System.Text;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Core.Tests.Serving;

/// <summary>What a Nix client sees of a front.</summary>
public sealed class ClientSessionTests
{
    private static readonly StorePath Hello = FakeStore.PathOf("hello.drv");
    private static readonly StorePath Bye = FakeStore.PathOf("bye.drv");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public enum BuildModes
    {
        Repair = BuildMode.Repair,
        Check = BuildMode.Check,
    }

    public static TheoryData<int> Versions => [32, 33, 34, 35, 36, 37, 38];

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Whatever_is_no_build_is_the_local_daemons(int minor)
    {
        var front = new FrontPair(new() { Version = new(1, (byte)minor) });
        await using var client = await front.ConnectAsync();
        var (info, nar) = FakeStore.FileOf("source", new byte[300_000]);

        await client.SetOptionsAsync(
            new() { KeepGoing = true, Overrides = new Dictionary<string, string> { ["cores"] = "3" } }, Cancellation);
        await client.AddTempRootsAsync([info.Path], Cancellation);
        await client.AddToStoreNarAsync(
            new(info, (output, stop) => output.WriteAsync(nar, stop).AsTask()), dontCheckSignatures: true, Cancellation);
        var registered = await client.QueryPathInfoAsync(info.Path, Cancellation);
        using var back = new MemoryStream();
        var digest = await client.CopyNarToAsync(info.Path, back, Cancellation);

        Assert.Equal((info.NarHash, info.NarSize), (registered!.NarHash, registered.NarSize));
        Assert.Equal(new NarDigest(info.NarHash, info.NarSize), digest);
        Assert.Equal(nar.AsSpan(), back.ToArray().AsSpan());
        Assert.Null(await client.QueryPathInfoAsync(FakeStore.PathOf("nothing"), Cancellation));
        Assert.Equal(
            [info.Path], await client.QueryValidPathsAsync([info.Path, FakeStore.PathOf("nothing")], substitute: false, Cancellation));
        Assert.Equal(new ProtocolVersion(1, (byte)minor), client.Version);
        Assert.True(front.Daemon.Options!.KeepGoing);
        Assert.Equal("3", front.Daemon.Options.Overrides["cores"]);
        Assert.Empty(front.Orders);
    }

    [Fact]
    public async Task A_client_that_is_older_than_the_daemon_is_spoken_to_in_its_version()
    {
        var front = new FrontPair(new());
        await using var client = await front.ConnectAsync(newest: new(1, 34));
        var path = front.Daemon.Store.AddFile("file");

        Assert.Equal(new ProtocolVersion(1, 34), client.Version);
        Assert.NotNull(await client.QueryPathInfoAsync(path, Cancellation));
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task A_feature_is_used_where_the_client_and_the_daemon_have_it(bool daemonHas, bool clientHas)
    {
        var front = new FrontPair(new() { Version = ProtocolVersion.WithFeatures with { HasRealisationsByPath = daemonHas } });
        await using var client =
            await front.ConnectAsync(newest: ProtocolVersion.WithFeatures with { HasRealisationsByPath = clientHas });
        var path = front.Daemon.Store.AddFile("file");

        var results = await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], BuildMode.Normal, null, Cancellation);

        Assert.Equal(daemonHas && clientHas, client.Version.HasRealisationsByPath);
        Assert.True(results.Single().Result.IsSuccess);
        Assert.NotNull(await client.QueryPathInfoAsync(path, Cancellation));
    }

    [Fact]
    public async Task A_realisation_passes_in_the_layout_that_the_client_and_the_daemon_share()
    {
        var front = new FrontPair(new() { Version = ProtocolVersion.Newest });
        await using var client = await front.ConnectAsync();

        await client.RegisterRealisationsAsync(
            [new("sha256:00!dev", FakeStore.PathOf("hello-dev")) { Resolved = Hello }], Cancellation);

        Assert.Equal([$"{Hello}^dev {FakeStore.PathOf("hello-dev")}"], front.Daemon.Store.Realisations);
        Assert.Null(await client.QueryPathInfoAsync(FakeStore.PathOf("nothing"), Cancellation));
    }

    [Fact]
    public async Task A_thousand_requests_that_do_not_wait_for_answers_are_answered_in_order()
    {
        var front = new FrontPair(new());
        await using var client = await front.ConnectAsync();
        StorePath[] paths = [.. Enumerable.Range(0, 1000).Select(i => FakeStore.PathOf($"p{i}"))];

        await client.AddTempRootsAsync(paths, Cancellation);

        Assert.Equal(paths, front.Daemon.Store.TempRoots);
    }

    [Fact]
    public async Task An_error_of_the_local_daemon_comes_as_it_is_and_the_session_goes_on()
    {
        var front = new FrontPair(new());
        await using var client = await front.ConnectAsync();

        var error = await Assert.ThrowsAsync<DaemonException>(() => client.EnsurePathAsync(FakeStore.PathOf("nothing"), Cancellation));

        Assert.Contains("cannot be created", error.Message);
        Assert.Null(await client.QueryPathInfoAsync(FakeStore.PathOf("nothing"), Cancellation));
    }

    [Fact]
    public async Task Builds_go_to_the_farm_with_the_clients_settings_and_then_the_daemon_describes_them()
    {
        var front = new FrontPair(new());
        front.Daemon.Store.Outputs[Hello] = new Dictionary<string,
        StorePath?> { ["out"] = FakeStore.PathOf("hello"), ["dev"] = FakeStore.PathOf("hello-dev") };
        await using var client = await front.ConnectAsync();

        await client.SetOptionsAsync(
            new() { KeepGoing = true, MaxSilentTime = TimeSpan.FromSeconds(7), Overrides = new Dictionary<string, string>
            {
                ["timeout"] = "90",
                ["cores"] = "3",
            } },
            Cancellation);
        var results = await client.BuildPathsWithResultsAsync(
            [DerivedPath.SomeOutputs(Hello, "dev")], BuildMode.Normal, null, Cancellation);

        var order = Assert.Single(front.Orders);
        Assert.Equal(Hello, Assert.Single(order.Derivations).Derivation);
        Assert.Equal(["dev"], order.Derivations[0].Outputs);
        Assert.Equal(
            (true, TimeSpan.FromSeconds(7), TimeSpan.FromSeconds(90), 3),
            (order.Settings.KeepGoing, order.Settings.MaxSilentTime, order.Settings.Timeout, order.Settings.Cores));
        Assert.True(results.Single().Result.IsSuccess);
        Assert.Equal(WorkerOperation.BuildPathsWithResults, front.Daemon.Requests.Last());
    }

    /// <summary>
    /// Commands ask what is missing, and print it, before they build; an evaluation does not ask. [EvalState::realiseContext of NixOS/nix
    /// since 2.6]
    /// </summary>
    [Fact]
    public async Task What_is_built_without_asking_what_is_missing_an_evaluation_waits_for()
    {
        var front = new FrontPair(new());
        await using var client = await front.ConnectAsync();

        foreach (var derivation in (StorePath[])[Bye, Bye])
        {
            await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(derivation)], BuildMode.Normal, null, Cancellation);
        }
        await client.QueryMissingAsync([DerivedPath.AllOutputs(Hello)], Cancellation);
        await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], BuildMode.Normal, null, Cancellation);
        await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Bye)], BuildMode.Normal, null, Cancellation);

        Assert.Equal([true, true, false, true], front.Orders.Select(order => order.IsForEvaluation));
    }

    [Fact]
    public async Task What_is_no_work_for_a_farm_goes_to_the_local_daemon()
    {
        var front = new FrontPair(new());
        var file = FakeStore.FileOf("fetched", []);
        front.Daemon.Store.Substitutable[file.Info.Path] = file;
        await using var client = await front.ConnectAsync();

        await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], BuildMode.Check, null, Cancellation);
        await client.BuildPathsWithResultsAsync([DerivedPath.Opaque(file.Info.Path)], BuildMode.Normal, null, Cancellation);

        Assert.Empty(front.Orders);
        Assert.Equal(2, front.Daemon.Requests.Count(operation => operation == WorkerOperation.BuildPathsWithResults));
    }

    [Theory]
    [InlineData(BuildModes.Check, "note: --check and --rebuild compare with")]
    [InlineData(BuildModes.Repair, "note: --repair replaces")]
    public async Task What_the_local_daemon_builds_itself_is_built_on_this_machine_alone_and_said_once(BuildModes mode, string note)
    {
        var front = new FrontPair(new());
        var said = new List<DaemonMessage>();
        await using var client = await front.ConnectAsync();
        await client.SetOptionsAsync(
            new() { Overrides = new Dictionary<string, string> { ["builders"] = "ssh-ng://elsewhere" } }, Cancellation);

        await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], (BuildMode)mode, said.Add, Cancellation);
        await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Bye)], (BuildMode)mode, said.Add, Cancellation);

        Assert.StartsWith(note, Assert.Single(said.OfType<DaemonLogLine>()).Text);
        Assert.Equal("", front.Daemon.Options!.Overrides["builders"]);
    }

    [Fact]
    public async Task The_local_daemon_has_no_builders_either_for_a_client_that_gives_no_settings()
    {
        var front = new FrontPair(new());
        await using var client = await front.ConnectAsync();

        await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], BuildMode.Check, null, Cancellation);

        Assert.Equal("", front.Daemon.Options!.Overrides["builders"]);
        Assert.Equal([WorkerOperation.SetOptions, WorkerOperation.BuildPathsWithResults], front.Daemon.Requests);
    }

    [Fact]
    public async Task Settings_that_the_farm_cannot_honour_are_said_once()
    {
        var front = new FrontPair(new())
        {
            Build = (order, _, _) => Task.FromResult<IReadOnlyList<NixBuildResult>>(
                [.. order.Derivations.Select(d => FrontPair.Result(d.Derivation, NixBuildStatus.Failed, "no"))]),
        };
        var said = new List<DaemonMessage>();
        await using var client = await front.ConnectAsync();
        await client.SetOptionsAsync(
            new() { KeepFailed = true, Overrides = new Dictionary<string, string> { ["builders"] = "ssh-ng://elsewhere" } }, Cancellation);

        await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], BuildMode.Normal, said.Add, Cancellation);
        await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Bye)], BuildMode.Normal, said.Add, Cancellation);

        Assert.Collection(
            said.OfType<DaemonLogLine>().Select(line => line.Text),
            text => Assert.Contains("'builders' is not used", text),
            text => Assert.Contains($"build directory of '{Hello}' is not kept, since it was built on 'ruby'", text));
        Assert.All(front.Orders, order => Assert.True(order.Settings.Limits.KeepFailed));
    }

    [Fact]
    public async Task A_failure_is_told_in_the_place_of_the_builds_result_and_the_others_are_described_by_the_daemon()
    {
        var front = new FrontPair(new())
        {
            Build = (_, _, _) => Task.FromResult<IReadOnlyList<NixBuildResult>>(
                [FrontPair.Result(Hello, NixBuildStatus.Failed, $"builder for '{Hello}' failed with exit code 3"), FrontPair.Result(Bye)]),
        };
        await using var client = await front.ConnectAsync();

        var results = await client.BuildPathsWithResultsAsync(
            [DerivedPath.AllOutputs(Hello), DerivedPath.AllOutputs(Bye)], BuildMode.Normal, null, Cancellation);

        var failed = results.Single(result => result.Path.Path == Hello).Result;
        Assert.Equal(
            (BuildStatus.PermanentFailure, $"builder for '{Hello}' failed with exit code 3 (on 'ruby')"),
            (failed.Status, failed.ErrorMessage));
        Assert.True(results.Single(result => result.Path.Path == Bye).Result.IsSuccess);
        Assert.Equal(2, results.Count);
    }

    [Theory]
    [InlineData(NixBuildStatus.Failed, BuildStatus.PermanentFailure)]
    [InlineData(NixBuildStatus.TimedOut, BuildStatus.TimedOut)]
    [InlineData(NixBuildStatus.DependencyFailed, BuildStatus.DependencyFailed)]
    [InlineData(NixBuildStatus.NoEligibleBuilder, BuildStatus.MiscFailure)]
    public async Task Each_failure_has_Nixs_own_kind(NixBuildStatus ours, object nixs)
    {
        var front = new FrontPair(new())
        {
            Build = (_, _, _) => Task.FromResult<IReadOnlyList<NixBuildResult>>([FrontPair.Result(Hello, ours, "no")]),
        };
        await using var client = await front.ConnectAsync();

        var result = (await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], BuildMode.Normal, null, Cancellation))
            .Single()
            .Result;

        Assert.Equal((BuildStatus)nixs, result.Status);
        Assert.Contains(Hello.ToString(), result.ErrorMessage);
    }

    [Fact]
    public async Task An_old_client_gets_one_error_for_all_with_the_failures_before_it()
    {
        var front = new FrontPair(new() { Version = new(1, 33) })
        {
            Build = (_, _, _) => Task.FromResult<IReadOnlyList<NixBuildResult>>(
                [FrontPair.Result(Hello, NixBuildStatus.Failed, "one"), FrontPair.Result(Bye, NixBuildStatus.Failed, "two")]),
        };
        var said = new List<DaemonMessage>();
        await using var client = await front.ConnectAsync();

        var results = await client.BuildPathsWithResultsAsync(
            [DerivedPath.AllOutputs(Hello), DerivedPath.AllOutputs(Bye)], BuildMode.Normal, said.Add, Cancellation);

        Assert.All(results, result => Assert.Contains($"build of '{Hello}', '{Bye}' failed", result.Result.ErrorMessage));
        Assert.Equal(2, said.OfType<DaemonLogLine>().Count(line => line.Text.StartsWith("error: build of ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_farm_that_cannot_build_at_all_is_an_error_that_says_why()
    {
        var front = new FrontPair(new())
        {
            Build = (_, _, _) => throw new NixBuildFarmException("NoBuilder", "No builder is left.", "Look at them."),
        };
        await using var client = await front.ConnectAsync();

        var result = (await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], BuildMode.Normal, null, Cancellation))
            .Single()
            .Result;

        Assert.Equal((BuildStatus.MiscFailure, "No builder is left. Look at them."), (result.Status, result.ErrorMessage));
    }

    [Fact]
    public async Task The_client_sees_builds_with_their_builders_and_logs()
    {
        var front = new FrontPair(new())
        {
            Build = (_, observer, _) =>
            {
                var build = new RunningBuild("hello", "ruby", DateTimeOffset.UnixEpoch, "buildPhase") { DerivationPath = Hello.ToString() };
                observer.Observe(new RunNews.Progressed(new(1, 0, 0, [build])));
                observer.Observe(new RunNews.Printed(build, "a line"));
                observer.Observe(new RunNews.Ended(FrontPair.Result(Hello)));
                return Task.FromResult<IReadOnlyList<NixBuildResult>>([FrontPair.Result(Hello)]);
            },
        };
        var said = new List<DaemonMessage>();
        await using var client = await front.ConnectAsync();

        await client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], BuildMode.Normal, said.Add, Cancellation);

        var started = said.OfType<ActivityStarted>().Single(activity => activity.Type == ActivityType.Build);
        Assert.Equal($"building '{Hello}' on 'ruby'", started.Text);
        Assert.Equal(["a line"], said.OfType<BuildLogLine>().Where(line => line.Activity == started.Id).Select(line => line.Line));
        Assert.Equal(["buildPhase"], said.OfType<BuildPhaseEntered>().Select(phase => phase.Phase));
        Assert.Equal(said.OfType<ActivityStarted>().Select(a => a.Id).Order(), said.OfType<ActivityStopped>().Select(a => a.Id).Order());
    }

    [Fact]
    public async Task A_client_that_goes_away_ends_what_is_built_for_it()
    {
        var begun = new TaskCompletionSource();
        var ended = new TaskCompletionSource();
        var front = new FrontPair(new())
        {
            Build = async (_, _, cancelled) =>
            {
                begun.SetResult();
                await Task.Delay(Timeout.Infinite, cancelled).ContinueWith(_ => ended.SetResult(), TaskScheduler.Default);
                throw new OperationCanceledException(cancelled);
            },
        };
        var client = await front.ConnectAsync();
        var building = client.BuildPathsWithResultsAsync([DerivedPath.AllOutputs(Hello)], BuildMode.Normal, null, Cancellation);
        await begun.Task.WaitAsync(Cancellation);

        await client.DisposeAsync();

        await ended.Task.WaitAsync(Cancellation);
        await Assert.ThrowsAnyAsync<Exception>(() => building);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(front.AllEndedAsync);
    }

    [Fact]
    public async Task A_derivation_that_comes_with_the_request_is_built_from_its_inputs()
    {
        var output = FakeStore.PathOf("hello");
        var derivation = new BasicDerivation
        {
            Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(output, "", "") },
            InputPaths = [FakeStore.PathOf("bash")],
            System = "riscv64-linux",
            Builder = "/bin/sh",
            Arguments = ["-c", "true"],
            Environment = new Dictionary<string, string> { ["out"] = output.ToString(), ["b"] = "\n", ["a"] = "" },
        };
        var front = new FrontPair(new());
        await using var client = await front.ConnectAsync();

        var result = await client.BuildDerivationAsync(Hello, derivation, BuildMode.Normal, null, Cancellation);

        Assert.True(result.IsSuccess);
        var order = Assert.Single(front.Orders);
        var read = await order.Source.ReadAsync(Hello, Cancellation);
        Assert.Equal(derivation.InputPaths, read.InputSources);
        Assert.Equal((derivation.System, derivation.Builder), (read.System, read.Builder));
        Assert.Equal(derivation.Environment.OrderBy(v => v.Key, StringComparer.Ordinal), read.Environment);
        Assert.Equal(derivation.Outputs, read.Outputs);
    }

    [Fact]
    public async Task An_operation_that_nobody_knows_ends_the_session_with_an_error()
    {
        var front = new FrontPair(new());
        await using var client = front.Connect();
        var reader = new WireReader(client);
        await client.WriteAsync(ProtocolBytes.Of(WireFormat.ClientMagic, 1 << 8 | 34UL, 0UL, 0UL, 4711UL), Cancellation);

        Assert.Equal(WireFormat.DaemonMagic, await reader.ReadUInt64Async(Cancellation));
        await reader.ReadUInt64Async(Cancellation);
        Assert.Equal("2.99.0", await reader.ReadStringAsync(100, Cancellation));
        Assert.Equal(StderrFrame.LastTag, await reader.ReadUInt64Async(Cancellation));
        var frame = await StderrFrame.ReadAsync(reader, Cancellation);

        Assert.Equal("The operation 4711 is not known to NixBuildFarm.", frame.Error!.Text);
        Assert.False(await reader.WaitAsync(Cancellation));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n")]
    [InlineData("cxin\0\0\0\0\u0005\u0001\0\0\0\0\0\0")]
    public async Task Who_does_not_greet_as_Nix_does_is_not_served(string greeting)
    {
        var front = new FrontPair(new());
        var client = front.Connect();

        await client.WriteAsync(Encoding.Latin1.GetBytes(greeting), Cancellation);

        await Assert.ThrowsAsync<WireException>(front.AllEndedAsync);
        await client.DisposeAsync();
    }
}
