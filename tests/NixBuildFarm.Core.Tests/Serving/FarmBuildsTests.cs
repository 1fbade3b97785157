using System.Collections.Concurrent;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Serving;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Serving;

/// <summary>The orders of a farm's clients share one run.</summary>
public sealed class FarmBuildsTests : IAsyncDisposable
{
    private readonly FakeFarm farm = new("ruby", "kana");
    private FarmBuilds? builds;

    public FarmBuildsTests() => Do(build => Task.FromResult(build.Succeed()));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        if (builds is not null) await builds.DisposeAsync();
        farm.Dispose();
    }

    [Fact]
    public async Task What_several_orders_want_is_built_once_and_each_is_told_of_it()
    {
        var shared = farm.Derivation("shared");
        var gate = Hold("shared");
        var (toldFirst, toldSecond) = (new Listener(), new Listener());
        var first = Order(farm.Derivation("a", [shared]), listener: toldFirst);
        var second = Order(farm.Derivation("b", [shared]), listener: toldSecond);
        // What each wants has been found out by then, and the build is a part of it.
        await Task.WhenAll(gate.Begun.Task, toldFirst.Progressed.Task, toldSecond.Progressed.Task).WaitAsync(Cancellation);

        gate.Open.SetResult();
        var results = await Task.WhenAll(first.Results, second.Results).WaitAsync(Cancellation);

        Assert.Equal(["a", "shared"], results[0].Select(result => result.Name).Order());
        Assert.Equal(["b", "shared"], results[1].Select(result => result.Name).Order());
        Assert.All(results.SelectMany(own => own), result => Assert.Equal(NixBuildStatus.Built, result.Status));
        Assert.Equal(1, Built("shared"));
        Assert.Equal([first.RunId, second.RunId], results.Select(own => own.Select(result => result.RunId).Distinct().Single()));
        Assert.Equal(["a", "b"], results.SelectMany(own => own).Where(result => result.IsRequested).Select(result => result.Name));
        Assert.All((string[])["a", "b"], name => Assert.True(farm.Local.Has(name)));
    }

    [Fact]
    public async Task What_builds_make_joins_the_orders_that_want_it()
    {
        Do(build => Task.FromResult(farm.Make(build)));
        var maker = farm.MakerOf(farm.Made("inner"));
        var (told, users) = (new Listener(), (string[])["a", "b"]);
        var orders = users.Select(name => farm.UserOf(name, maker)).ToArray().Select(user => Order(user, listener: told)).ToArray();

        var results = await Task.WhenAll(orders.Select(order => order.Results)).WaitAsync(Cancellation);

        foreach (var (own, name) in results.Zip(users))
        {
            Assert.Equal([name, "inner", "inner.drv"], own.Select(result => result.Name).Order());
            Assert.All(own, result => Assert.True(result.Success));
            Assert.Equal(name, Assert.Single(own, result => result.IsRequested).Name);
        }
        Assert.Equal((1, 1), (Built("inner"), Built("inner.drv")));
    }

    [Fact]
    public async Task An_order_is_told_why_what_a_build_makes_is_of_no_use()
    {
        Do(build => Task.FromResult(farm.Make(build)));
        var inner = farm.Made("inner");
        var user = farm.UserOf("user", farm.MakerOf(inner));
        farm.Damage(inner);

        var results = await Order(user).Results.WaitAsync(Cancellation);

        Assert.Equal(["inner.drv", "user"], results.Select(result => result.Name).Order());
        var failed = Assert.Single(results, result => result.Name == "user");
        Assert.Equal(NixBuildStatus.DependencyFailed, failed.Status);
        Assert.Contains("cannot be read as a derivation", failed.Error);
    }

    [Fact]
    public async Task An_order_is_told_of_the_copies_that_are_made_for_it_and_of_no_others()
    {
        var (first, second) = (farm.Derivation("a", [farm.Derivation("input")]), farm.Derivation("b"));

        var told = new Listener();
        await Task.WhenAll(Order(first, listener: told).Results, Order(second).Results).WaitAsync(Cancellation);

        var home = told.Copies.Where(copy => copy.To == "local").ToArray();
        Assert.Contains(home, copy => copy.Path.EndsWith("-a", StringComparison.Ordinal) && copy.State == CopyState.Arrived);
        Assert.DoesNotContain(told.Copies, copy => copy.Path.EndsWith("-b", StringComparison.Ordinal));
    }

    [Fact]
    public async Task No_builder_builds_more_at_a_time_than_its_jobs_however_many_orders_there_are()
    {
        var (running, most, gate) = (0, 0, new object());
        var full = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Do(async build =>
        {
            lock (gate)
            {
                most = Math.Max(most, ++running);
                if (most == 4) full.TrySetResult();
            }
            await full.Task.WaitAsync(build.Cancelled);
            await Task.Delay(5, build.Cancelled);
            lock (gate) running--;
            return build.Succeed();
        });

        await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Order(farm.Derivation($"d{i}")).Results)).WaitAsync(Cancellation);

        Assert.Equal(4, most);
    }

    [Fact]
    public async Task An_order_that_is_called_off_ends_what_nobody_else_wants()
    {
        var shared = farm.Derivation("shared");
        var (gate, alone) = (Hold("shared"), Hold("alone"));
        using var leave = new CancellationTokenSource();
        var first = Order(farm.Derivation("a", [shared, farm.Derivation("alone")]), cancellation: leave.Token);
        await Task.WhenAll(gate.Begun.Task, alone.Begun.Task).WaitAsync(Cancellation);
        var second = Order(farm.Derivation("b", [shared]));

        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.Results.WaitAsync(Cancellation));
        await alone.Ended.Task.WaitAsync(Cancellation);
        gate.Open.SetResult();

        Assert.All(await second.Results.WaitAsync(Cancellation), result => Assert.True(result.Success));
        Assert.Equal(0, Built("a"));
    }

    [Fact]
    public async Task A_failure_is_that_of_the_orders_that_want_it()
    {
        Do(
            build =>
                Task.FromResult(
                    build.Path.Name == "bad.drv"
                        ? new BuildResult { Status = BuildStatus.PermanentFailure, ErrorMessage = "no" }
                        : build.Succeed()));
        var bad = farm.Derivation("bad");

        var (failing, fine) = (Order(farm.Derivation("a", [bad])), Order(farm.Derivation("b", [farm.Derivation("good")])));
        var results = await Task.WhenAll(failing.Results, fine.Results).WaitAsync(Cancellation);

        Assert.Equal(NixBuildStatus.Failed, results[0].Single(result => result.Name == "bad").Status);
        Assert.False(results[0].Single(result => result.Name == "a").Success);
        Assert.All(results[1], result => Assert.True(result.Success));
    }

    [Fact]
    public async Task An_order_that_keeps_going_builds_what_does_not_depend_on_the_failure()
    {
        Do(
            build =>
                Task.FromResult(
                    build.Path.Name == "bad.drv"
                        ? new BuildResult { Status = BuildStatus.PermanentFailure, ErrorMessage = "no" }
                        : build.Succeed()));
        var top = farm.Derivation("top", [farm.Derivation("bad"), farm.Derivation("good", [farm.Derivation("deep")])]);

        var results = await Order(top, new ClientSettings { KeepGoing = true }).Results.WaitAsync(Cancellation);

        Assert.Equal(
            [
                ("bad", NixBuildStatus.Failed), ("deep", NixBuildStatus.Built), ("good", NixBuildStatus.Built),
                ("top", NixBuildStatus.DependencyFailed),
            ],
            results.Select(result => (result.Name, result.Status)).OrderBy(result => result.Name));
    }

    [Fact]
    public async Task What_an_earlier_order_has_built_is_there_for_the_next_one()
    {
        var bottom = farm.Derivation("bottom");
        await Order(bottom).Results.WaitAsync(Cancellation);

        var results = await Order(farm.Derivation("top", [bottom])).Results.WaitAsync(Cancellation);

        Assert.Equal(["top"], results.Select(result => result.Name));
        Assert.Equal(1, Built("bottom"));
    }

    [Fact]
    public async Task What_failed_for_one_order_is_tried_anew_for_the_next()
    {
        var tries = 0;
        Do(
            build =>
                Task.FromResult(
                    Interlocked.Increment(ref tries) == 1
                        ? new BuildResult { Status = BuildStatus.PermanentFailure, ErrorMessage = "no" }
                        : build.Succeed()));
        var flaky = farm.Derivation("flaky");

        Assert.False((await Order(flaky).Results.WaitAsync(Cancellation)).Single().Success);
        Assert.True((await Order(flaky).Results.WaitAsync(Cancellation)).Single().Success);
    }

    [Fact]
    public async Task A_build_has_the_limits_of_the_order_that_wants_it()
    {
        await Order(
            farm.Derivation("a"),
            new ClientSettings { Timeout = TimeSpan.FromSeconds(77), MaxSilentTime = TimeSpan.FromSeconds(7), Cores = 3 })
            .Results.WaitAsync(Cancellation);

        var options = Machines.SelectMany(machine => machine.Daemon.AllOptions).Where(options => options.BuildCores == 3).ToArray();
        Assert.Contains(options, given => given.MaxSilentTime == TimeSpan.FromSeconds(7) && given.Overrides["timeout"] == "77");
    }

    [Fact]
    public async Task An_order_can_be_stopped_by_its_id()
    {
        var gate = Hold("long");
        var order = Order(farm.Derivation("long"));
        await gate.Begun.Task.WaitAsync(Cancellation);

        Assert.Equal([order.RunId], builds!.Runs);
        Assert.True(builds.Stop(order.RunId));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => order.Results.WaitAsync(Cancellation));
        await gate.Ended.Task.WaitAsync(Cancellation);
        Assert.False(builds.Stop(order.RunId));
    }

    [Fact]
    public async Task A_derivation_that_does_not_exist_fails_its_order_alone()
    {
        var missing = Order(farm.Derivation("known"), outputs: ["nonsense"]);

        Assert.Contains(
            "has no output", (await Assert.ThrowsAsync<NixBuildFarmException>(() => missing.Results.WaitAsync(Cancellation))).Message);
        Assert.All(await Order(farm.Derivation("other")).Results.WaitAsync(Cancellation), result => Assert.True(result.Success));
    }

    [Fact]
    public async Task A_farm_that_ends_ends_its_orders_and_leaves_no_connection()
    {
        var gate = Hold("long");
        var order = Order(farm.Derivation("long"));
        await gate.Begun.Task.WaitAsync(Cancellation);

        await builds!.DisposeAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => order.Results.WaitAsync(Cancellation));
        await farm.AllClosedAsync();
    }

    [Fact]
    public async Task Only_builders_that_an_order_can_use_are_connected()
    {
        farm["kana"].System = "riscv64-linux";
        await Order(farm.Derivation("native")).Results.WaitAsync(Cancellation);
        Assert.Equal(0, farm["kana"].Asked);

        var results = await Order(farm.Derivation("foreign", system: "riscv64-linux")).Results.WaitAsync(Cancellation);

        Assert.Equal("kana", results.Single().Builder);
    }

    [Fact]
    public async Task A_user_who_comes_later_has_the_next_slot_although_another_has_much_to_do()
    {
        farm["kana"].System = "riscv64-linux";
        using var begun = new BlockingCollection<string>();
        using var open = new SemaphoreSlim(0);
        Do(async build =>
        {
            begun.Add(build.Path.Name, CancellationToken.None);
            if (build.Path.Name != "elsewhere.drv") await open.WaitAsync(build.Cancelled);
            return build.Succeed();
        });
        var first = Order(
            farm.Derivation("much", [.. Enumerable.Range(0, 8).Select(i => farm.Derivation($"alice{i}"))]),
            asker: new("alice", BuildPriority.High));
        for (var i = 0; i < 2; i++) Assert.StartsWith("alice", begun.Take(Cancellation));

        // What goes to the builder that is idle says that the order has joined.
        var second = Order(
            farm.Derivation("top", [farm.Derivation("bob"), farm.Derivation("elsewhere", system: "riscv64-linux")]),
            asker: new("bob", BuildPriority.Low));
        Assert.Equal("elsewhere.drv", begun.Take(Cancellation));
        // While it runs, bob has a slot as well.
        await Until.TrueAsync(() => Task.FromResult(farm.Local.Has("elsewhere")), "it has ended and come home");
        open.Release();

        Assert.Equal("bob.drv", begun.Take(Cancellation));
        open.Release(20);
        await Task.WhenAll(first.Results, second.Results).WaitAsync(Cancellation);
    }

    [Theory]
    [InlineData(BuildPriority.Low, false, BuildPriority.Normal, false)]
    [InlineData(BuildPriority.Normal, false, BuildPriority.High, false)]
    [InlineData(BuildPriority.Normal, false, BuildPriority.Normal, true)]
    [InlineData(BuildPriority.High, false, BuildPriority.Normal, true)]
    [InlineData(BuildPriority.Low, true, BuildPriority.Normal, false)]
    public void What_an_evaluation_waits_for_goes_first_and_then_what_its_user_finds_urgent(
        BuildPriority later, bool isLaterForEvaluation, BuildPriority first, bool isFirstForEvaluation) =>
        Assert.True(UrgencyOf(later, isLaterForEvaluation) < UrgencyOf(first, isFirstForEvaluation));

    private IEnumerable<FakeMachine> Machines => [farm["ruby"], farm["kana"]];

    private BuildTicket Order(
        StorePath derivation,
        ClientSettings? settings = null,
        IReadOnlyList<string>? outputs = null,
        Listener? listener = null,
        Asker? asker = null,
        CancellationToken cancellation = default)
    {
        builds ??= new(farm.Request("ruby", "kana"), farm, farm.History, farm);
        return builds.Begin(
            new([new(derivation, outputs ?? [])], farm, settings ?? new()) { Asker = asker }, listener ?? new Listener(), cancellation);
    }

    private int UrgencyOf(BuildPriority priority, bool isForEvaluation) =>
        new BuildOrder([], farm, new()) { Asker = new("alice", priority), IsForEvaluation = isForEvaluation }.Urgency;

    private int Built(string name) => Machines.Sum(machine => machine.Built.Count(built => built == name + ".drv"));

    private void Do(Func<FakeBuild, Task<BuildResult>> build)
    {
        foreach (var machine in Machines) machine.Builds(build);
    }

    /// <summary>Has a build wait, on whichever builder it is.</summary>
    private Gate Hold(string name)
    {
        gates[name] = new();
        Do(async build =>
        {
            if (!gates.TryGetValue(build.Path.Name[..^".drv".Length], out var gate)) return build.Succeed();
            gate.Begun.TrySetResult();
            try
            {
                await gate.Open.Task.WaitAsync(build.Cancelled);
                return build.Succeed();
            }
            finally
            {
                gate.Ended.TrySetResult();
            }
        });
        return gates[name];
    }

    private readonly ConcurrentDictionary<string, Gate> gates = new();

    private sealed class Gate
    {
        public TaskCompletionSource Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Open { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Listener : IBuildObserver
    {
        public ConcurrentQueue<RunningCopy> Copies { get; } = new();

        public TaskCompletionSource Progressed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Observe(RunNews news)
        {
            if (news is RunNews.Copying(var copy)) Copies.Enqueue(copy);
            if (news is RunNews.Progressed) Progressed.TrySetResult();
        }
    }
}
