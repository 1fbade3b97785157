using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Running;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Running;

public class RunHistoryTests
{
    private static readonly TimeSpan WriteInterval = TimeSpan.FromSeconds(5);
    private static readonly JobGraph Graph = new([new Job { Name = "mystery-1", PackageName = "mystery", System = "x86_64-linux" }]);
    private static readonly NixBuilder Ruby = new()
    {
        Name = "ruby",
        HostName = "ruby",
        Uri = "ssh-ng://ruby",
        Systems = ["x86_64-linux"],
        Source = "a test",
    };

    private readonly FakeTimeProvider time = new();
    private readonly Observer observer = new();
    private readonly Store store = new();

    [Fact]
    public async Task Earlier_observations_are_the_first_estimates()
    {
        for (var i = 0; i < 5; i++) store.Builds.Add(Build("mystery", 100));
        store.Transfers.Add(new() { Builder = "ruby", ToBuilder = true, Bytes = 20_000_000, Seconds = 2 });
        await using var history = Open();

        var estimates = await history.EstimateAsync(Graph, [Ruby]);

        Assert.InRange(estimates.Current[0].Seconds, 99, 101);
        Assert.Equal(10e6, Assert.Single(estimates.Farm).DownloadBandwidth);
    }

    [Fact]
    public async Task A_slow_link_is_known_and_what_is_compressed_does_not_make_it_seem_fast()
    {
        store.Transfers.Add(new() { Builder = "ruby", ToBuilder = true, Bytes = 8_000_000, Seconds = 4 });
        await using (var history = Open())
        {
            await history.EstimateAsync(Graph, [Ruby]);
            Assert.True(history.HasSlowLink("ruby"));

            for (var i = 0; i < 20; i++)
            {
                history.Note(new TransferObservation { Builder = "ruby", ToBuilder = true, Bytes = 80_000_000, Seconds = 4 });
            }

            Assert.True(history.HasSlowLink("ruby"));
        }
        Assert.Single(store.Transfers);
    }

    [Fact]
    public async Task The_load_that_a_builders_own_builds_have_left_is_known_where_it_is_kept_for_its_owner()
    {
        var owned = Ruby.WithPolicy(new() { IdleOnly = true });
        store.Builds.Add(Build("mystery", 600) with { Cores = 2, At = time.GetUtcNow() });
        store.Builds.Add(Build("mystery", 600) with { Cores = 2, At = time.GetUtcNow(), Builder = "kana" });
        await using var history = Open();

        Assert.Equal(2, history.LoadLeftOn(owned)!.Value, 2);
        Assert.Null(history.LoadLeftOn(Ruby));
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(0, history.LoadLeftOn(owned));
    }

    [Fact]
    public async Task A_builder_that_is_given_twice_is_one()
    {
        await using var history = Open();

        Assert.Single((await history.EstimateAsync(Graph, [Ruby, Ruby])).Farm);
    }

    [Fact]
    public async Task Observations_are_written_at_the_end_together_with_the_run()
    {
        await using (var history = Open())
        {
            history.Note(Build("a"));
            history.Note(Build("b"));
            history.Note(Run);
            Assert.Empty(store.Builds);
        }

        Assert.Equal(["a", "b"], store.Builds.Select(b => b.Package));
        Assert.Same(Run, Assert.Single(store.Runs));
    }

    [Fact]
    public async Task A_run_is_written_at_once_when_it_begins_and_again_while_it_goes_on()
    {
        await using var history = Open();
        var ongoing = Run with { State = RunState.Running };

        history.Note(ongoing);
        await Until.TrueAsync(() => store.Runs.Count == 1 && !history.WantsRecord, "the run is written");
        await Until.TrueAsync(() => history.WantsRecord, "the history wants the run again", PassInterval);
        history.Note(ongoing with { Error = "second" });
        await Until.TrueAsync(() => store.Runs.Any(run => run.Error == "second"), "the run is written again");

        Assert.All(store.Runs, run => Assert.Equal(RunState.Running, run.State));
    }

    [Fact]
    public async Task A_run_in_which_nothing_happens_is_written_as_one_that_goes_on()
    {
        await using var history = Open();

        history.Note(Run with { State = RunState.Running });
        await Until.TrueAsync(() => store.Runs.Count == 1, "the run is written");
        await Until.TrueAsync(() => store.Runs.Count > 2, "the run is written twice more", PassInterval);

        Assert.True(store.Runs[^1].Ended > store.Runs[0].Ended);
    }

    [Fact]
    public async Task A_run_that_ends_is_written_as_ended_whatever_was_noted_before()
    {
        await using (var history = Open())
        {
            history.Note(Run with { State = RunState.Running });
            history.Note(Run);
        }

        Assert.Same(Run, store.Runs[^1]);
    }

    [Fact]
    public async Task A_long_run_writes_what_it_has_seen_from_time_to_time()
    {
        await using var history = Open();
        history.Note(Build("a"));

        await Until.TrueAsync(() => store.Builds.Count == 1, "the build is written", PassInterval);

        Assert.Empty(observer.Failures);
    }

    [Theory]
    [InlineData(HistoryFailure.Unavailable)]
    [InlineData(HistoryFailure.Corrupt)]
    [InlineData(HistoryFailure.Newer)]
    public async Task A_history_that_cannot_be_read_is_told_once_and_the_run_goes_on_without(HistoryFailure failure)
    {
        store.Failure = failure;
        RunEstimates estimates;
        await using (var history = Open())
        {
            estimates = await history.EstimateAsync(Graph, [Ruby]);
            history.Note(Build("a"));
            history.Note(Run);
        }

        Assert.Equal(failure, Assert.Single(observer.Failures).Failure);
        Assert.Equal(new Estimator().For(Graph[0]), estimates.Current[0]);
        Assert.Equal(["ruby"], estimates.Farm.Select(b => b.Name));
    }

    [Fact]
    public async Task A_write_that_fails_is_repeated_later()
    {
        await using (var history = Open())
        {
            await history.EstimateAsync(Graph, [Ruby]);
            store.Failure = HistoryFailure.Unavailable;
            history.Note(Build("a"));
            await Until.TrueAsync(() => store.Refusals > 0, "the store refuses", PassInterval);
            history.Note(Build("b"));
            store.Failure = null;
        }

        Assert.Equal(["a", "b"], store.Builds.Select(b => b.Package));
        Assert.Empty(observer.Failures);
    }

    [Fact]
    public async Task A_write_that_fails_at_the_end_as_well_is_reported_once()
    {
        await using (var history = Open())
        {
            await history.EstimateAsync(Graph, [Ruby]);
            store.Failure = HistoryFailure.Unavailable;
            history.Note(Build("a"));
            history.Note(Run);
            await Until.TrueAsync(() => store.Refusals > 1, "the store refuses again", PassInterval);
        }

        Assert.Single(observer.Failures);
        Assert.Empty(store.Runs);
    }

    [Fact]
    public async Task A_history_that_another_program_keeps_locked_is_waited_for_at_the_end()
    {
        var history = Open();
        await history.EstimateAsync(Graph, [Ruby]);
        store.IsLocked = true;
        history.Note(Build("a"));
        history.Note(Run);
        var ending = history.DisposeAsync().AsTask();
        while (store.Refusals < 5) await PassAsync(TimeSpan.FromSeconds(1));
        Assert.False(ending.IsCompleted);

        store.IsLocked = false;
        while (!ending.IsCompleted) await PassAsync(TimeSpan.FromSeconds(1));

        Assert.Equal(["a"], store.Builds.Select(build => build.Package));
        Assert.Single(store.Runs);
        Assert.Empty(observer.Failures);
        Assert.Contains("locked", Assert.Single(observer.Warnings));
    }

    [Fact]
    public async Task A_history_that_stays_locked_is_given_up_and_told_once()
    {
        var history = Open();
        await history.EstimateAsync(Graph, [Ruby]);
        store.IsLocked = true;
        history.Note(Run);

        var ending = history.DisposeAsync().AsTask();
        while (!ending.IsCompleted) await PassAsync(TimeSpan.FromSeconds(5));

        Assert.Single(observer.Failures);
        Assert.Single(observer.Warnings);
    }

    [Fact]
    public async Task Who_stops_the_run_does_not_wait_for_a_locked_history()
    {
        using var stop = new CancellationTokenSource();
        var history = RunHistory.Open(store, observer, time, stopped: stop.Token);
        await history.EstimateAsync(Graph, [Ruby]);
        store.IsLocked = true;
        history.Note(Run);
        var ending = history.DisposeAsync().AsTask();
        await Until.TrueAsync(() => store.Refusals > 0, "the store refuses");

        await stop.CancelAsync();

        // The clock stands still.
        await ending.WaitAsync(Until.Limit, TestContext.Current.CancellationToken);
        Assert.Single(observer.Failures);
    }

    private RunHistory Open() => RunHistory.Open(store, observer, time);

    private void PassInterval() => time.Advance(WriteInterval);

    private async Task PassAsync(TimeSpan span)
    {
        time.Advance(span);
        await Task.Delay(1, TestContext.Current.CancellationToken);
    }

    private static RunRecord Run { get; } = new()
    {
        Id = "run",
        Started = default,
        Ended = default,
        State = RunState.Succeeded,
        Requested = [],
    };

    private static BuildObservation Build(string package, double seconds = 1) =>
        new() { Package = package, System = "x86_64-linux", Builder = "ruby", Seconds = seconds };

    private sealed class Store : IRunHistory
    {
        public List<BuildObservation> Builds { get; } = [];

        public List<TransferObservation> Transfers { get; } = [];

        public List<RunRecord> Runs { get; } = [];

        public HistoryFailure? Failure { get; set; }

        public bool IsLocked { get; set; }

        public int Refusals { get; private set; }

        IReadOnlyList<BuildObservation> IBuildHistory.Builds(IReadOnlySet<string> packages) =>
            Usable<BuildObservation[]>([.. Builds.Where(b => packages.Contains(b.Package))]);

        IReadOnlyList<TransferObservation> IBuildHistory.Transfers() => Usable<TransferObservation[]>([.. Transfers]);

        public void Add(IReadOnlyCollection<BuildObservation> builds, IReadOnlyCollection<TransferObservation> transfers)
        {
            Usable(0);
            Builds.AddRange(builds);
            Transfers.AddRange(transfers);
        }

        public int Import(IReadOnlyCollection<BuildObservation> builds)
        {
            Builds.AddRange(Usable(builds));
            return builds.Count;
        }

        public IReadOnlyList<BuildObservation> BuildsSince(DateTimeOffset moment) =>
            Usable<BuildObservation[]>([.. Builds.Where(build => build.At >= moment)]);

        public DateTimeOffset? AskedAt(string source) => null;

        public void SetAsked(string source, DateTimeOffset at)
        {
            // It is asked anew each time.
        }

        public List<BuilderTrouble> Troubles { get; } = [];

        IReadOnlyList<BuilderTrouble> IRunHistory.Troubles() => Usable<BuilderTrouble[]>([.. Troubles]);

        public void Add(IReadOnlyCollection<BuilderTrouble> troubles)
        {
            Usable(0);
            Troubles.AddRange(troubles);
        }

        public IReadOnlyList<KeptCompile> KeptCompiles(string builder) => [];

        public void Keep(string builder, IReadOnlyCollection<KeptCompile> compiles)
        {
            // Nothing is shared.
        }

        public void Forget(string builder, IReadOnlyCollection<string> paths)
        {
            // Nothing is shared.
        }

        public void Add(RunRecord run)
        {
            Usable(0);
            Runs.Add(run);
        }

        public RunRecord? Run(string id) => null;

        IReadOnlyList<NixBuildRun> IRunHistory.Runs(RunFilter filter) => [];

        void IRunHistory.RemoveRuns(IReadOnlyCollection<string> ids) => throw new NotSupportedException();

        void IRunHistory.RemoveObservations(DateTimeOffset? before) => throw new NotSupportedException();

        private T Usable<T>(T result)
        {
            if (Failure is null && !IsLocked) return result;
            Refusals++;
            throw new HistoryException(Failure ?? HistoryFailure.Unavailable, "It cannot be used.", "Wait.") { IsLocked = IsLocked };
        }
    }

    private sealed class Observer : IBuildObserver
    {
        public List<HistoryException> Failures { get; } = [];

        public List<string> Warnings { get; } = [];

        public void Observe(RunNews news)
        {
            switch (news)
            {
                case RunNews.HistoryFailed(var error): Failures.Add(error); break;
                case RunNews.Degraded(var message): Warnings.Add(message); break;
                default: throw new InvalidOperationException($"A history has nothing to say of builds: {news}");
            }
        }
    }
}
