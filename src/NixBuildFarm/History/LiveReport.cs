using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Logs;
using NixBuildFarm.Reporting;
using NixBuildFarm.Reporting.Events;
using NixBuildFarm.Reporting.Live;

namespace NixBuildFarm.History;

/// <summary>The report of a run that goes on, served until the run has ended and the pages that follow it know so.</summary>
internal sealed class LiveReport(LogFile events)
{
    private const string Tag = "NixBuildLiveReport";

    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(200);

    /// <summary>How long the record of the run that has ended is awaited: its session writes it last of all.</summary>
    private static readonly TimeSpan RecordPatience = TimeSpan.FromMinutes(2);

    /// <summary>How long pages are awaited that have followed the run: one that nobody sees asks once a minute.</summary>
    private static readonly TimeSpan PagePatience = TimeSpan.FromSeconds(90);

    private readonly object gate = new();
    private readonly LiveRunRecord run = new();
    private RunRecord? ended;
    private bool isComplete;

    /// <summary>Serves it.</summary>
    /// <param name="port">The port; null: a free one.</param>
    /// <param name="output">Gets the address.</param>
    /// <param name="cancellation">Ends it before the run does.</param>
    /// <exception cref="NixBuildFarmException">The run has ended, or the port is taken.</exception>
    public async Task ServeAsync(int? port, CommandOutput output, CancellationToken cancellation)
    {
        if (Recorded() is { State: not RunState.Running })
        {
            throw new NixBuildFarmException(
                "RunHasEnded", $"The run {events.RunId} has ended: there is nothing to follow.",
                $"Export-NixBuildReport report.html -Run {events.RunId} writes its report.");
        }
        using var closing = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var server = ReportServer.Start(port, Report, TimeProvider.System);
        var serving = server.ServeAsync(closing.Token);
        try
        {
            output.Object(server.Address.AbsoluteUri);
            output.Remark("The page follows the run until it ends. Ctrl-C ends the page, not the run.", Tag);
            await FollowAsync(cancellation);
            await TakeRecordAsync(cancellation);
            await TellAsync(server, output, cancellation);
        }
        finally
        {
            await closing.CancelAsync();
            await serving;
        }
        var state = ended?.State ?? run.State;
        output.Remark($"The run has ended: {state}. Export-NixBuildReport writes its report into a file.", Tag);
    }

    private RunReport Report()
    {
        lock (gate)
        {
            if (ended is not null) return ended.ToReport();
            if (run.Farm.Count == 0) run.Farm = Recorded()?.Farm ?? [];
            var report = run.ToReport(DateTimeOffset.UtcNow);
            // A page that knows of the end asks no more: it is to have the record by then.
            return isComplete ? report : report with { State = RunState.Running };
        }
    }

    private async Task FollowAsync(CancellationToken cancellation)
    {
        await foreach (var text in events.FollowAsync(null, TimeProvider.System, cancellation))
        {
            if (RunEventLine.Parse(text) is not { } line) continue;
            lock (gate) run.Apply(line);
            if (run.State is not null) return;
        }
        lock (gate) run.Interrupt();
    }

    /// <summary>The record has more than events tell. Without it, the report stays what they have told.</summary>
    private async Task TakeRecordAsync(CancellationToken cancellation)
    {
        RunRecord? record = null;
        for (var waited = TimeSpan.Zero; record is null && waited < RecordPatience; waited += Step)
        {
            if (Recorded() is { State: not RunState.Running } found) record = found;
            else await Task.Delay(Step, cancellation);
        }
        lock (gate) (ended, isComplete) = (record, true);
    }

    /// <summary>Waits until each page that asks now and then has been told of the end: those that a browser has closed never ask.</summary>
    private static async Task TellAsync(ReportServer server, CommandOutput output, CancellationToken cancellation)
    {
        if (!server.HasUntold) return;
        output.Remark(
            $"The run has ended. Its pages are told so, for {PagePatience.TotalSeconds:0} s at most; Ctrl-C ends that at once.", Tag);
        for (var waited = TimeSpan.Zero; server.HasUntold && waited < PagePatience; waited += Step) await Task.Delay(Step, cancellation);
    }

    private RunRecord? Recorded()
    {
        try
        {
            using var history = ReadOnlyHistory.Open();
            return history.Store.Run(events.RunId);
        }
        catch (NixBuildFarmException)
        {
            // The history may be out of order; what the events tell is shown all the same.
            return null;
        }
    }
}
