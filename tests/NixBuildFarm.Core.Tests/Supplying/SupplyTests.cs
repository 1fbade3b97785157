using System.Collections.Concurrent;
using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Errors;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Core.Tests.Supplying;

public sealed class SupplyTests : IAsyncDisposable
{
    /// <summary>Long enough that even a busy machine has sent a long list before the first answer to it comes.</summary>
    private static readonly TimeSpan Far = TimeSpan.FromMilliseconds(250);

    private static readonly Urgency Needed = new(TransferPurpose.Needed);

    private readonly FakeFarm farm = new("ruby", "kana");
    private readonly PathCatalog catalog = new();
    private readonly List<string> warnings = [];
    private readonly List<BuilderSession> sessions = [];
    private readonly Supply supply;

    public SupplyTests() =>
        supply = new(catalog, new(TimeProvider.System, maxUpload: null), new(new(TimeProvider.System), _ => { }), warnings.Add);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        foreach (var session in sessions) await session.DisposeAsync();
        farm.Dispose();
    }

    [Fact]
    public async Task A_path_is_protected_before_it_is_sent_and_follows_its_references()
    {
        var bottom = farm.Local.Daemon.Store.AddFile("bottom");
        var top = farm.Local.Daemon.Store.AddFile("top", "", bottom);
        var (local, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["ruby"]));
        await supply.Closures.DiscoverAsync(local, [top], Cancellation);
        farm["ruby"].Daemon.Requests.Clear();

        await supply.EnsureAsync(ruby, [top], Needed, Cancellation);

        // The fake store refuses a path before what it refers to.
        Assert.True(farm["ruby"].Has("top"));
        Assert.Equal([bottom, top], farm["ruby"].Daemon.Store.TempRoots);
        Assert.Equal(
            [
                WorkerOperation.AddTempRoot, WorkerOperation.AddTempRoot, WorkerOperation.QueryValidPaths,
                WorkerOperation.SetOptions, WorkerOperation.AddToStoreNar, WorkerOperation.AddToStoreNar,
            ],
            farm["ruby"].Daemon.Requests);
    }

    [Fact]
    public async Task Each_copy_is_told_from_its_beginning_to_its_end_with_who_needs_it()
    {
        var bottom = farm.Local.Daemon.Store.AddFile("bottom", new string('x', 3_000_000));
        var top = farm.Local.Daemon.Store.AddFile("top", "", bottom);
        var (local, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["ruby"]));
        var heard = new CopyListener();
        var telling = Telling(heard);
        await telling.Closures.DiscoverAsync(local, [top], Cancellation);
        var user = FakeStore.PathOf("user.drv");

        await telling.EnsureAsync(ruby, [top], Needed, Cancellation, wantedBy: user);

        Assert.Equal([bottom.ToString(), top.ToString()], heard.Copies.Select(copy => copy.Path).Distinct());
        Assert.All(
            heard.Copies,
            copy => Assert.Equal(("local", ruby.Builder.Uri, user.ToString()), (copy.From, copy.To, copy.DerivationPath)));
        var large = heard.Copies.Where(copy => copy.Path == bottom.ToString()).ToArray();
        Assert.Equal((0L, 1, CopyState.UnderWay), (large[0].Sent, large[0].Following, large[0].State));
        Assert.InRange(large.Count(copy => copy is { State: CopyState.UnderWay, Sent: > 0 }), 1, 3);
        Assert.Equal(
            [CopyState.Arrived, CopyState.Arrived],
            heard.Copies.GroupBy(copy => copy.Id)
                .Select(copies => copies.Last())
                .Where(last => last.Sent == last.Bytes)
                .Select(last => last.State));
    }

    [Fact]
    public async Task A_copy_that_does_not_arrive_is_told_as_failed()
    {
        var path = farm.Local.Daemon.Store.AddFile("unsigned");
        farm["ruby"].Daemon = new()
        {
            Faults = new() { Refusals = new Dictionary<WorkerOperation, string> { [WorkerOperation.AddToStoreNar] = "no" } },
        };
        var (local, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["ruby"]));
        var heard = new CopyListener();
        var telling = Telling(heard);
        await telling.Closures.DiscoverAsync(local, [path], Cancellation);

        await Assert.ThrowsAsync<DaemonException>(() => telling.EnsureAsync(ruby, [path], Needed, Cancellation));

        Assert.Equal([CopyState.UnderWay, CopyState.Failed], heard.Copies.Select(copy => copy.State));
    }

    [Fact]
    public async Task A_builder_is_not_asked_again_for_paths_that_it_is_known_to_have()
    {
        var path = farm.Local.Daemon.Store.AddFile("path");
        farm["ruby"].Daemon.Store.AddFile("path");
        var (local, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["ruby"]));
        await supply.Closures.DiscoverAsync(local, [path], Cancellation);
        await supply.EnsureAsync(ruby, [path], Needed, Cancellation);
        farm["ruby"].Daemon.Requests.Clear();

        var sent = await supply.EnsureAsync(ruby, [path], Needed, Cancellation);

        Assert.Equal(0, sent);
        Assert.Empty(farm["ruby"].Daemon.Requests);
    }

    [Fact]
    public async Task Substituters_of_a_builder_give_first_what_they_have()
    {
        var path = farm.Local.Daemon.Store.AddFile("path");
        farm["ruby"].Daemon.Store.Substitutable[path] = (farm.Local.Daemon.Store.Find(path)!, farm.Local.Daemon.Store.FindNar(path)!);
        var (local, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["ruby"], substitutes: true));
        await supply.Closures.DiscoverAsync(local, [path], Cancellation);

        Assert.Equal(0, await supply.EnsureAsync(ruby, [path], Needed, Cancellation));

        Assert.True(farm["ruby"].Has("path"));
    }

    [Fact]
    public async Task Supplies_at_the_same_time_send_each_path_once()
    {
        var shared = Enumerable.Range(0, 20).Select(i => farm.Local.Daemon.Store.AddFile($"shared{i}")).ToArray();
        var tops = Enumerable.Range(0, 10).Select(i => farm.Local.Daemon.Store.AddFile($"top{i}", "", shared)).ToArray();
        var (local, ruby, kana) = (await OpenAsync(farm.Local), await OpenAsync(farm["ruby"]), await OpenAsync(farm["kana"]));
        await supply.Closures.DiscoverAsync(local, tops, Cancellation);

        var sent = await Task.WhenAll(
            tops.SelectMany(top => new[] { ruby, kana }.Select(to => supply.EnsureAsync(to, [top], Needed, Cancellation))));

        foreach (var machine in new[] { farm["ruby"], farm["kana"] })
        {
            Assert.Equal(30, machine.Daemon.Requests.Count(request => request == WorkerOperation.AddToStoreNar));
        }
        Assert.Equal(2 * catalog.ClosureOf(tops).Sum(info => info.NarSize), sent.Sum());
    }

    [Fact]
    public async Task Paths_of_another_builder_are_relayed_together_with_local_ones()
    {
        var source = farm.Local.Daemon.Store.AddFile("source");
        farm["kana"].Daemon.Store.AddFile("source");
        var built = farm["kana"].Daemon.Store.AddFile("built", new string('x', 500_000), source);
        var (local, ruby, kana) = (await OpenAsync(farm.Local), await OpenAsync(farm["ruby"]), await OpenAsync(farm["kana"]));
        await supply.Closures.DiscoverAsync(local, [source], Cancellation);
        await supply.Closures.DiscoverAsync(kana, [built], Cancellation, believe: true);

        await supply.EnsureAsync(ruby, [built], Needed, Cancellation);

        Assert.True(farm["ruby"].Has("built") && farm["ruby"].Has("source"));
        Assert.False(farm.Local.Has("built"));
    }

    [Fact]
    public async Task A_path_that_is_copied_back_anyway_is_not_fetched_twice_for_another_builder()
    {
        var bottom = farm["ruby"].Daemon.Store.AddFile("bottom");
        farm["kana"].Daemon.Store.AddFile("bottom");
        var built = farm["kana"].Daemon.Store.AddFile("built", new string('x', 100_000), bottom);
        var (local, ruby, kana) = (await OpenAsync(farm.Local), await OpenAsync(farm["ruby"]), await OpenAsync(farm["kana"]));
        var homely = new Supply(
            catalog, new(TimeProvider.System, maxUpload: null), new(new(TimeProvider.System), _ => { }), warnings.Add, home: local);
        await homely.Closures.DiscoverAsync(kana, [built], Cancellation, believe: true);
        await homely.Closures.DiscoverAsync(ruby, [bottom], Cancellation, believe: true);

        await Task.WhenAll(
            homely.EnsureAsync(ruby, [built], Needed, Cancellation),
            homely.EnsureAsync(local, [built], new(TransferPurpose.CopyBack), Cancellation));

        Assert.True(farm.Local.Has("built") && farm["ruby"].Has("built"));
        Assert.Empty(warnings);
        Assert.Equal(
            2, farm["kana"].Daemon.Requests.Concat(farm["ruby"].Daemon.Requests).Count(request => request == WorkerOperation.NarFromPath));
    }

    [Fact]
    public async Task A_holder_that_falls_silent_on_a_living_connection_is_passed_over()
    {
        var time = new FakeTimeProvider();
        var patient = new Supply(catalog, new(time, maxUpload: null), new(new(time), _ => { }), warnings.Add);
        farm["kana"].Daemon = new() { Store = farm["kana"].Daemon.Store, Faults = new() { SilentAt = WorkerOperation.NarFromPath } };
        var path = farm["kana"].Daemon.Store.AddFile("built");
        farm["ruby"].Daemon.Store.AddFile("built");
        var (local, kana, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["kana"]), await OpenAsync(farm["ruby"]));
        await patient.Closures.DiscoverAsync(kana, [path], Cancellation, believe: true);
        await patient.Closures.DiscoverAsync(ruby, [path], Cancellation, believe: true);

        var bringing = patient.EnsureAsync(local, [path], Needed, Cancellation);
        // In small steps, so that the other holder is not taken for silent as well.
        await Until.TrueAsync(
            () => bringing.IsCompleted || warnings.Count > 0, "the silence of kana is noticed",
            () => time.Advance(TimeSpan.FromMinutes(1) / 800));
        await bringing;

        Assert.True(farm.Local.Has("built"));
        Assert.Contains("kana has sent nothing of", Assert.Single(warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_copy_that_is_damaged_is_refused_named_and_taken_from_another_holder()
    {
        var (info, nar) = FakeStore.FileOf("built", new byte[100_000]);
        var others = Enumerable.Range(0, 3).Select(i => farm["kana"].Daemon.Store.AddFile($"other{i}")).ToArray();
        farm["kana"].Daemon.Store.Add(info, Damaged(nar));
        farm["ruby"].Daemon.Store.Add(info, nar);
        var (local, kana, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["kana"]), await OpenAsync(farm["ruby"]));
        await supply.Closures.DiscoverAsync(kana, [.. others, info.Path], Cancellation, believe: true);
        await supply.Closures.DiscoverAsync(ruby, [info.Path], Cancellation, believe: true);

        await supply.EnsureAsync(local, [.. others, info.Path], Needed, Cancellation);

        Assert.Equal(nar, farm.Local.Daemon.Store.FindNar(info.Path));
        Assert.All(others, path => Assert.True(farm.Local.Daemon.Store.IsValid(path)));
        var warning = Assert.Single(warnings);
        Assert.Contains("kana cannot send " + info.Path, warning);
        Assert.Contains("fetched from ruby", warning);
        Assert.False(catalog.Has(kana, info.Path));
    }

    [Fact]
    public async Task A_builder_that_misreads_what_it_gets_condemns_no_copy()
    {
        var path = farm.Local.Daemon.Store.AddFile("good", new string('x', 100_000));
        farm["ruby"].Daemon = new() { Faults = new() { MisreadsNars = true } };
        var (local, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["ruby"]));
        await supply.Closures.DiscoverAsync(local, [path], Cancellation);

        var e = await Assert.ThrowsAsync<DaemonException>(() => supply.EnsureAsync(ruby, [path], Needed, Cancellation));

        Assert.Contains("hash mismatch", e.Message);
        Assert.True(catalog.Has(local, path));
    }

    [Theory]
    [InlineData("damaged")]
    [InlineData("short")]
    [InlineData("long")]
    public async Task A_copy_that_nobody_has_whole_is_an_error_that_names_it_and_who_has_it(string how)
    {
        var (info, nar) = FakeStore.FileOf("built", new byte[100_000]);
        farm["kana"].Daemon.Store.Add(info, how switch
        {
            "damaged" => Damaged(nar),
            "short" => FakeStore.FileOf("built", new byte[90_000]).Nar,
            _ => FakeStore.FileOf("built", new byte[110_000]).Nar,
        });
        var (local, kana) = (await OpenAsync(farm.Local), await OpenAsync(farm["kana"]));
        await supply.Closures.DiscoverAsync(kana, [info.Path], Cancellation, believe: true);

        var e = await Assert.ThrowsAsync<DamagedPathException>(() => supply.EnsureAsync(local, [info.Path], Needed, Cancellation));

        Assert.Contains($"The copy of {info.Path} on kana is damaged", e.Message);
        Assert.Contains("nix-store --repair-path", e.Recommendation);
        Assert.False(farm.Local.Has("built"));
    }

    [Fact]
    public async Task A_path_that_its_holder_has_collected_is_taken_from_another_holder()
    {
        var path = farm["kana"].Daemon.Store.AddFile("built");
        farm["ruby"].Daemon.Store.AddFile("built");
        var (local, kana, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["kana"]), await OpenAsync(farm["ruby"]));
        await supply.Closures.DiscoverAsync(kana, [path], Cancellation, believe: true);
        await supply.Closures.DiscoverAsync(ruby, [path], Cancellation, believe: true);
        farm["kana"].Daemon.Store.Remove(path);

        await supply.EnsureAsync(local, [path], Needed, Cancellation);

        Assert.True(farm.Local.Has("built"));
    }

    [Fact]
    public async Task A_holder_that_is_lost_is_passed_over_as_long_as_another_has_what_it_had()
    {
        var paths = Enumerable.Range(0, 50).Select(i => farm["kana"].Daemon.Store.AddFile($"p{i}")).ToArray();
        foreach (var path in paths) farm["ruby"].Daemon.Store.AddFile(path.Name);
        var (local, kana, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["kana"]), await OpenAsync(farm["ruby"]));
        await supply.Closures.DiscoverAsync(kana, paths, Cancellation, believe: true);
        await supply.Closures.DiscoverAsync(ruby, paths, Cancellation, believe: true);
        farm["kana"].Break();

        await supply.EnsureAsync(local, paths, Needed, Cancellation);

        Assert.All(paths, path => Assert.True(farm.Local.Daemon.Store.IsValid(path)));
        Assert.Single(warnings);
    }

    [Fact]
    public async Task A_holder_that_is_lost_and_had_it_alone_is_the_error()
    {
        var path = farm["kana"].Daemon.Store.AddFile("built");
        var (local, kana) = (await OpenAsync(farm.Local), await OpenAsync(farm["kana"]));
        await supply.Closures.DiscoverAsync(kana, [path], Cancellation, believe: true);
        farm["kana"].Break();

        var e = await Assert.ThrowsAsync<BuilderException>(() => supply.EnsureAsync(local, [path], Needed, Cancellation));

        Assert.Equal("kana", e.Builder);
    }

    [Fact]
    public async Task A_refusal_of_the_builder_is_reported_in_its_own_words()
    {
        var path = farm.Local.Daemon.Store.AddFile("unsigned");
        farm["ruby"].Daemon = new()
        {
            Faults = new() { Refusals = new Dictionary<WorkerOperation, string>
            {
                [WorkerOperation.AddToStoreNar] = "it lacks a signature",
            } },
        };
        var (local, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["ruby"]));
        await supply.Closures.DiscoverAsync(local, [path], Cancellation);

        var e = await Assert.ThrowsAsync<DaemonException>(() => supply.EnsureAsync(ruby, [path], Needed, Cancellation));

        Assert.Equal("ruby: error: it lacks a signature", e.Message);
    }

    [Fact]
    public async Task Round_trips_do_not_grow_with_the_number_of_paths()
    {
        var few = await TripsAsync("few", levels: 12, width: 2);
        var many = await TripsAsync("many", levels: 12, width: 167);

        // At 50 ms each, under a second.
        Assert.All([many.Closure, many.Back, many.There], trips => Assert.InRange(trips, 1, 19));
        // Long lists are sent in several writes, and one of these may come after an early answer.
        Assert.InRange(many.Closure + many.Back + many.There, 1, few.Closure + few.Back + few.There + 6);
    }

    [Fact]
    public async Task Round_trips_do_not_grow_with_the_depth_of_references()
    {
        var (closure, back, there) = await TripsAsync("deep", levels: 200, width: 10);

        Assert.All([closure, back, there], trips => Assert.InRange(trips, 1, 19));
    }

    [Fact]
    public async Task Closures_are_asked_level_by_level_if_the_login_may_run_only_the_daemon()
    {
        farm["kana"].TellsClosures = false;
        var path = Chain(farm["kana"].Daemon.Store, 20);
        var (local, kana) = (await OpenAsync(farm.Local), await OpenAsync(farm["kana"]));

        await supply.Closures.DiscoverAsync(kana, [path], Cancellation, believe: true);
        await supply.EnsureAsync(local, [path], Needed, Cancellation);

        Assert.True(farm.Local.Daemon.Store.IsValid(path));
    }

    [Fact]
    public async Task References_that_a_builder_adds_to_a_closure_are_not_believed()
    {
        farm["kana"].Invented = [farm["kana"].Daemon.Store.AddFile("stranger"), FakeStore.PathOf("nowhere")];
        var path = Chain(farm["kana"].Daemon.Store, 20);
        var kana = await OpenAsync(farm["kana"]);

        await supply.Closures.DiscoverAsync(kana, [path], Cancellation, believe: true);

        Assert.Equal(20, catalog.ClosureOf([path]).Count);
        Assert.All(farm["kana"].Invented, stranger => Assert.Null(catalog.Find(stranger)));
    }

    private Supply Telling(CopyListener observer) =>
        new(catalog, new(TimeProvider.System, maxUpload: null), new(new(TimeProvider.System), _ => { }), warnings.Add)
        {
            Observer = observer,
        };

    private sealed class CopyListener : IBuildObserver
    {
        public ConcurrentQueue<RunningCopy> Copies { get; } = new();

        public void Observe(RunNews news) => Copies.Enqueue(Assert.IsType<RunNews.Copying>(news).Copy);
    }

    private static StorePath Chain(FakeStore store, int length) =>
        Enumerable.Range(1, length - 1).Aggregate(store.AddFile("chain0"), (below, i) => store.AddFile($"chain{i}", "", below));

    /// <summary>
    /// Round trips of asking a distant machine for a closure, bringing it home, and supplying another distant machine with it.
    /// </summary>
    private async Task<(int Closure, int Back, int There)> TripsAsync(string name, int levels, int width)
    {
        var trips = new RoundTrips();
        var store = farm["kana"].Daemon.Store;
        var all = new List<StorePath>();
        StorePath[] below = [];
        for (var level = 0; level < levels; level++)
        {
            below =
            [
                .. Enumerable.Range(0, width).Select(i => store.AddFile($"{name}-{level}-{i}", "", below.Length > 0 ? [below[i]] : [])),
            ];
            all.AddRange(below);
        }
        var top = store.AddFile($"{name}-top", "", below);
        var (local, kana, ruby) = (await OpenAsync(farm.Local), await OpenAsync(farm["kana"], trips), await OpenAsync(farm["ruby"], trips));

        var begun = trips.Count;
        await supply.Closures.DiscoverAsync(kana, [top], Cancellation, believe: true);
        var learnt = trips.Count;
        await supply.EnsureAsync(local, [top], Needed, Cancellation);
        var home = trips.Count;
        await supply.EnsureAsync(ruby, [top], Needed, Cancellation);

        Assert.All(all, path => Assert.True(farm["ruby"].Daemon.Store.IsValid(path) && farm.Local.Daemon.Store.IsValid(path)));
        return (learnt - begun, home - learnt, trips.Count - home);
    }

    private async Task<BuilderSession> OpenAsync(FakeMachine machine, RoundTrips? trips = null, bool substitutes = false)
    {
        var session = await BuilderSession.OpenAsync(
            machine.Builder,
            trips is null ? machine : new DistantTransport(machine, Far, trips),
            new DaemonOptions { UseSubstitutes = substitutes },
            Cancellation);
        sessions.Add(session);
        return session;
    }

    private static byte[] Damaged(byte[] nar)
    {
        var damaged = (byte[])nar.Clone();
        damaged[nar.Length / 2] ^= 1;
        return damaged;
    }
}
