using System.Collections.Concurrent;
using NixBuildFarm.Errors;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Sessions;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;
using NixBuildFarm.Work;

namespace NixBuildFarm.Compiling;

/// <summary>The shared builds of a run, and the builders that help with them. Answers with events. Safe for concurrent use.</summary>
/// <param name="supply">Brings compilers to helpers.</param>
/// <param name="preparation">Prepares the builders of shared builds.</param>
/// <param name="kept">Knows what earlier runs have left where.</param>
/// <param name="clock">The time.</param>
/// <param name="happened">Is told what happens.</param>
/// <param name="say">Takes what the user may want to know.</param>
internal sealed class SharedBuilds(
    Supply supply, SharePreparation preparation, IKeptCompiles kept, RunClock clock, Action<LendingEvent> happened, Action<string> say)
    : IAsyncDisposable
{
    /// <summary>Bytes of files that shims have sent, and that other helpers may lack.</summary>
    private const long KeptContents = 64 << 20;

    private readonly ConcurrentDictionary<long, CompileExchange> exchanges = new();
    private readonly ConcurrentDictionary<BuilderSession, CompileHelper> helpers = new();
    private readonly FileContents contents = new(KeptContents);
    private readonly CompileResults results = new();

    /// <summary>Prepares a build, and says that it may be shared.</summary>
    /// <param name="opened">The build, as it is told when all is ready.</param>
    /// <param name="at">Its builder, where its inputs are.</param>
    /// <param name="job">What is built.</param>
    /// <param name="cancellation">The build is called off.</param>
    /// <returns>What the caller disposes of when the build has ended, and what the build sees; null: it is built as any other.</returns>
    public async Task<SharedBuildOpened?> OpenAsync(
        LendingEvent.BuildOpened opened, BuilderSession at, WorkItem job, CancellationToken cancellation)
    {
        if (await preparation.PrepareAsync(at, job, cancellation) is not { } share) return null;
        // What earlier builds have left with the builder itself counts too.
        HelperOf(at).Left.Use(share.Toolchain.Programs);
        // Known before it is told of, since helpers are prepared at once; told of before it listens, since its compiles come after it.
        var exchange = new CompileExchange(opened.Build, results, share, at.Builder.Name, clock, happened);
        exchanges[opened.Build] = exchange;
        happened(opened with { At = clock.Now });
        exchange.Listen();
        return new(exchange, share.Mappings, () => CloseAsync(opened.Build, job.Name));
    }

    /// <inheritdoc cref="SharePreparation.HasCompiler"/>
    public bool HasCompiler(WorkItem job) => preparation.HasCompiler(job);

    /// <summary>What is compiled of a build now; null: it is not shared.</summary>
    public CompilesUnderWay? UnderWay(long build) => exchanges.GetValueOrDefault(build)?.Tally.UnderWay;

    /// <summary>
    /// Brings a helper what the compiles of a build need. Answers with <see cref="LendingEvent.HelperReady"/> or <see
    /// cref="LendingEvent.HelperUnfit"/>.
    /// </summary>
    public async Task PrepareAsync(long build, BuilderSession helper, int index, CancellationToken cancellation)
    {
        if (!exchanges.TryGetValue(build, out var exchange)) return;
        try
        {
            await HelperOf(helper).PrepareAsync(exchange.Toolchain, cancellation);
            happened(new LendingEvent.HelperReady(clock.Now, build, index));
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            say($"{helper} does not help: {e.Message}");
            happened(new LendingEvent.HelperUnfit(clock.Now, build, index));
        }
    }

    /// <inheritdoc cref="CompileExchange.LendAsync(long, CompileHelper, int, TimeSpan)"/>
    public Task LendAsync(long compile, BuilderSession helper, int index, TimeSpan limit) =>
        ExchangeOf(compile)?.LendAsync(compile, HelperOf(helper), index, limit) ?? Task.CompletedTask;

    /// <inheritdoc cref="CompileExchange.CompileAtHomeAsync"/>
    public Task CompileAtHomeAsync(long compile, BuilderSession? home, TimeSpan limit) =>
        ExchangeOf(compile)?.CompileAtHomeAsync(compile, home is null ? null : HelperOf(home), limit) ?? Task.CompletedTask;

    /// <inheritdoc cref="CompileExchange.Recall"/>
    public void Recall(long compile) => ExchangeOf(compile)?.Recall(compile);

    /// <summary>The run has ended: deletes what its compiles have left, and those of earlier runs that were killed.</summary>
    /// <param name="cleaning">Deletes it.</param>
    /// <param name="sessions">The builders of the run.</param>
    public async Task CleanAsync(CompileCleaning cleaning, IEnumerable<BuilderSession> sessions)
    {
        await DisposeAsync();
        await Task.WhenAll(
            sessions.Where(session => !session.IsClosed)
                .Select(session => cleaning.CleanAsync(session, helpers.GetValueOrDefault(session)?.Left)));
    }

    /// <summary>Ends all that is left.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var build in exchanges.Keys) await CloseAsync(build, "");
        await Task.WhenAll(helpers.Values.Select(helper => helper.DisposeAsync().AsTask()));
        await Task.WhenAll(helpers.Values.Select(helper => helper.Left.FlushAsync()));
    }

    private async Task CloseAsync(long build, string name)
    {
        if (!exchanges.TryRemove(build, out var exchange)) return;
        await exchange.DisposeAsync();
        if (exchange.Tally.Trouble is { } trouble) say($"Not every compile of {name} could be shared: {trouble}");
    }

    private CompileExchange? ExchangeOf(long compile) => exchanges.GetValueOrDefault(CompileNumber.BuildOf(compile));

    private CompileHelper HelperOf(BuilderSession session)
    {
        if (helpers.TryGetValue(session, out var known)) return known;
        var helper = helpers.GetOrAdd(
            session, added => new(added, supply, contents, new LeftPaths(added.Builder.Name, kept, clock), clock.Time));
        foreach (var compile in kept.KeptCompiles(session.Builder.Name))
        {
            if (compile.Bytes > 0 && StorePath.TryParse(compile.Path, out var path) && CompileDerivation.IsResult(path))
            {
                results.AddEarlier(path, helper);
            }
        }
        return helper;
    }
}

/// <summary>A build whose compiles may be done elsewhere.</summary>
/// <param name="Exchange">Its compiles.</param>
/// <param name="Mappings">What it sees besides its inputs: the value of <see cref="SandboxMappings.Setting"/>.</param>
/// <param name="CloseAsync">Ends the sharing.</param>
internal sealed record SharedBuildOpened(CompileExchange Exchange, string Mappings, Func<Task> CloseAsync) : IAsyncDisposable
{
    /// <summary>How long it took to prepare.</summary>
    public TimeSpan Preparation { get; init; }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await CloseAsync();
}
