using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Platform;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Sharing;

namespace NixBuildFarm.Compiling;

/// <summary>
/// The compiles of one shared build: passes on what its shims ask for, and has done with each compile what was decided. Whatever goes wrong
/// with a compile elsewhere, it is done at home. Safe for concurrent use.
/// </summary>
internal sealed class CompileExchange : IAsyncDisposable
{
    /// <summary>How long a shim is told to wait, and how often it is told again.</summary>
    private const int WaitSeconds = 60;

    private static readonly TimeSpan Reminder = TimeSpan.FromSeconds(20);

    private readonly long build;
    private readonly CompileResults memo;
    private readonly PreparedShare share;
    private readonly RunClock clock;
    private readonly Action<LendingEvent> happened;
    private readonly object gate = new();
    private readonly Dictionary<uint, SharedCompile> compiles = [];
    private readonly CancellationTokenSource closing = new();
    private Task reading = Task.CompletedTask;
    private Task reminding = Task.CompletedTask;
    private long contentsInMemory;

    /// <summary>Makes it; it does not listen yet.</summary>
    /// <param name="build">The number of the build.</param>
    /// <param name="memo">Where results of compiles are.</param>
    /// <param name="share">What was prepared; disposed of with this.</param>
    /// <param name="home">The builder of the build.</param>
    /// <param name="clock">The time.</param>
    /// <param name="happened">Is told what happens, in order.</param>
    public CompileExchange(long build, CompileResults memo, PreparedShare share, string home, RunClock clock, Action<LendingEvent> happened)
    {
        (this.build, this.memo, this.share, this.clock, this.happened) = (build, memo, share, clock, happened);
        Tally = new(home);
    }

    /// <summary>The compiler.</summary>
    public SharedToolchain Toolchain => share.Toolchain;

    /// <summary>What has been done where.</summary>
    public CompileTally Tally { get; }

    /// <summary>Begins to listen.</summary>
    public void Listen() => (reading, reminding) = (ReadAsync(), RemindAsync());

    /// <summary>
    /// Has a compile done at home. Where an earlier compile has left its result with a builder, it is taken from there; and where the
    /// result is
    /// worth keeping, it is made as a derivation of its own.
    /// </summary>
    /// <param name="number">The compile.</param>
    /// <param name="home">The builder of the build, to do it as a derivation; null: the compiler does it, in the build.</param>
    /// <param name="limit">How long a derivation may take.</param>
    public async Task CompileAtHomeAsync(long number, CompileHelper? home, TimeSpan limit)
    {
        SharedCompile? compile;
        lock (gate) compile = Find(number);
        if (compile is { Talk: { Step: ShimStep.Asking, ReasonToStay: null, Source: var source } }
            && (home is not null || memo.IsPromising(source)))
        {
            await TryElsewhereAsync(compile, home, limit, isAtHome: true);
        }
        CompileHere(number);
    }

    /// <summary>Has a compile done by the compiler itself, in the build. A helper that is at it may stop.</summary>
    public void CompileHere(long number)
    {
        lock (gate)
        {
            if (Find(number) is not { } compile) return;
            compile.Stop();
            SendHome(compile);
        }
    }

    /// <summary>Nobody waits for a compile any more.</summary>
    public void Recall(long number)
    {
        lock (gate) Find(number)?.Stop();
    }

    /// <summary>Has a helper do a compile. Answers with <see cref="LendingEvent.LoanEnded"/>.</summary>
    /// <param name="number">The compile.</param>
    /// <param name="helper">The helper.</param>
    /// <param name="index">The scheduler's index of the helper.</param>
    /// <param name="limit">How long it may take.</param>
    public async Task LendAsync(long number, CompileHelper helper, int index, TimeSpan limit)
    {
        SharedCompile? compile;
        lock (gate) compile = Find(number);
        var end = compile is null ? LoanEnd.Unsuitable : await TryElsewhereAsync(compile, helper, limit, isAtHome: false);
        happened(new LendingEvent.LoanEnded(clock.Now, number, index, end));
    }

    /// <summary>Ends the broker. Shims that still wait, and those that come later, compile at home.</summary>
    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        lock (gate)
        {
            foreach (var compile in compiles.Values) compile.Stop();
        }
        await share.Broker.DisposeAsync();
        await reading;
        await reminding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (gate)
        {
            foreach (var compile in compiles.Values) compile.Dispose();
            compiles.Clear();
        }
        closing.Dispose();
    }

    private async Task<LoanEnd> TryElsewhereAsync(SharedCompile compile, CompileHelper? helper, TimeSpan limit, bool isAtHome)
    {
        using var limited = new SilenceWatch(limit, clock.Time, compile.Stopping);
        var begun = clock.UtcNow;
        lock (gate)
        {
            if (compile.Talk.Step != ShimStep.Asking) return LoanEnd.Unsuitable;
            share.Broker.Send(compile.Talk.Describe());
        }
        var place = helper?.Session.Builder.Name ?? "";
        if (!isAtHome) Tally.Begin(place);
        try
        {
            var unit = await compile.Unit.WaitAsync(limited.Token);
            var derivation = CompileDerivation.Of(unit, compile.Talk.Source, compile.Talk.Tool, share.Toolchain, share.Closure);
            var result = await memo.FindAsync(derivation.Derivation.Output, except: helper, limited.Token);
            if (result is null && helper is not null)
            {
                result = await helper.CompileAsync(derivation, (files, token) => FetchAsync(compile, unit, files, token), limited.Token);
            }
            if (result is null || !Answer(compile, result, begun, wasLent: !isAtHome)) return LoanEnd.Unsuitable;
            memo.Add(derivation.Derivation.Output, result.From);
            return LoanEnd.Delivered;
        }
        catch (OddFrameException)
        {
            return LoanEnd.Unsuitable;
        }
        catch (OperationCanceledException)
        {
            return compile.Stopping.IsCancellationRequested ? LoanEnd.Unsuitable : LoanEnd.Failed;
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            Tally.Failed(e.Message);
            return LoanEnd.Failed;
        }
        finally
        {
            if (!isAtHome) Tally.End(place);
            Interlocked.Add(ref contentsInMemory, -compile.ForgetContents());
        }
    }

    private async Task<IReadOnlyList<ReadOnlyMemory<byte>>> FetchAsync(
        SharedCompile compile, CompileUnit unit, IReadOnlyList<int> files, CancellationToken cancellation)
    {
        var size = files.Sum(file => unit.Files[file].Size);
        var contents = compile.Expect(files, size);
        if (Interlocked.Add(ref contentsInMemory, size) > SharingLimits.ContentsAtATime)
        {
            throw new OddFrameException("the units of this build are too large to be shared at a time");
        }
        lock (gate)
        {
            if (compile.Talk.Step != ShimStep.Described) throw new OddFrameException("the shim has gone home");
            if (compile.Talk.Send(files) is { } frame) share.Broker.Send(frame);
        }
        return files.Count == 0 ? [] : await contents.WaitAsync(cancellation);
    }

    private bool Answer(SharedCompile compile, HelpersResult result, DateTimeOffset begun, bool wasLent)
    {
        lock (gate)
        {
            if (compile.Talk.Step is not (ShimStep.Described or ShimStep.Compiling)) return false;
            // Counted first: with the answer to its last compile, a build may end.
            var span = new CompileSpan(result.From.Session.Builder.Name, compile.Talk.Source, begun, (clock.UtcNow - begun).TotalSeconds);
            Tally.Deliver(span, result, wasLent);
            foreach (var frame in compile.Talk.Answer(result.Result)) share.Broker.Send(frame);
            return true;
        }
    }

    private async Task ReadAsync()
    {
        var why = await share.Broker.ReadAsync(Take);
        if (!closing.IsCancellationRequested) Tally.Failed($"the broker is gone: {why}");
        lock (gate)
        {
            foreach (var compile in compiles.Values) compile.Leave("the broker is gone");
        }
        happened(new LendingEvent.BuildClosed(clock.Now, build));
    }

    private async Task RemindAsync()
    {
        while (true)
        {
            await clock.DelayAsync(Reminder, closing.Token);
            lock (gate)
            {
                foreach (var compile in compiles.Values.Where(compile => compile.Talk.Step < ShimStep.Ended))
                {
                    share.Broker.Send(compile.Talk.Wait(WaitSeconds));
                }
            }
        }
    }

    private void Take(BrokerFrame frame)
    {
        lock (gate)
        {
            if (!compiles.TryGetValue(frame.Connection, out var compile))
            {
                Begin(frame);
                return;
            }
            switch (compile.Talk.Take(frame))
            {
                case ShimNews.Described news: compile.Describe(news.Unit); break;
                case ShimNews.Received news: compile.Receive(news.Content); break;
                case ShimNews.AtHome news:
                    compile.Leave(news.Why);
                    Tally.BeginAtHome(compile.Talk, clock.UtcNow);
                    break;
                case ShimNews.Odd news:
                    compile.Leave(news.Why);
                    SendHome(compile);
                    break;
                case ShimNews.Spent news: Tally.Spend(news.Reading + news.Rest); break;
                case ShimNews.Gone:
                    compile.Leave("the shim is gone");
                    compile.Dispose();
                    compiles.Remove(frame.Connection);
                    Tally.EndAtHome(compile.Talk, clock.UtcNow);
                    happened(new LendingEvent.CompileEnded(clock.Now, CompileNumber.Of(build, frame.Connection)));
                    break;
            }
        }
    }

    private void Begin(BrokerFrame frame)
    {
        if (frame.Kind == FrameKind.Closed) return;
        try
        {
            if (compiles.Count >= SharingLimits.Connections) throw new OddFrameException("too many shims at a time");
            var talk = ShimTalk.Begin(frame);
            compiles.Add(frame.Connection, new(talk));
            Tally.Ask();
            share.Broker.Send(talk.Wait(WaitSeconds));
            happened(new LendingEvent.CompileAsked(clock.Now, build, CompileNumber.Of(build, frame.Connection), talk.ReasonToStay is null));
        }
        catch (OddFrameException)
        {
            share.Broker.Send(new(frame.Connection, FrameKind.Closed, default));
        }
    }

    private void SendHome(SharedCompile compile)
    {
        if (compile.Talk.Step >= ShimStep.Ended) return;
        share.Broker.Send(compile.Talk.CompileHere());
        Tally.BeginAtHome(compile.Talk, clock.UtcNow);
    }

    private SharedCompile? Find(long number) => compiles.GetValueOrDefault(CompileNumber.ConnectionOf(number));
}
