using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.History;

/// <summary><para type="synopsis">Deletes past runs with their logs, and the estimates that were learnt from them.</para></summary>
[Cmdlet(
    VerbsCommon.Clear,
    "NixBuildHistory",
    DefaultParameterSetName = TimeSet,
    SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(NixBuildRun))]
public sealed class ClearNixBuildHistoryCommand : AsyncCommand
{
    private const string TimeSet = "Before";
    private const string RunSet = "Run";

    /// <summary>A run without a record may still be under way.</summary>
    private static readonly TimeSpan LongestSilence = TimeSpan.FromDays(1);

    private readonly List<string> runs = [];

    /// <summary>Ids of runs, or beginnings of them. Estimates stay.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = RunSet, ValueFromPipelineByPropertyName = true)]
    [Alias("RunId", "Id")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RunCompleter))]
    public string[] Run { get; set; } = [];

    /// <summary>Only what is older; without it, everything.</summary>
    [Parameter(ParameterSetName = TimeSet)]
    public DateTimeOffset? Before { get; set; }

    /// <summary>Estimates of durations and bandwidths stay.</summary>
    [Parameter(ParameterSetName = TimeSet)]
    public SwitchParameter KeepEstimate { get; set; }

    /// <summary>Writes the runs that are forgotten.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private bool ForgetsWhatWasLearnt => ParameterSetName == TimeSet && !KeepEstimate;

    /// <inheritdoc/>
    protected override void ProcessRecord() => runs.AddRange(Run);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // Nothing through the pipeline asks to forget nothing, not everything.
        if (MyInvocation.ExpectingInput && runs.Count == 0) return;
        IReadOnlyList<NixBuildRun> forgotten = [];
        Await((output, _) =>
        {
            using var history = ReadOnlyHistory.Open();
            var chosen = history.Choose(runs, new() { Before = Before }, output);
            forgotten = [.. chosen.Where(run => run.State != RunState.Running)];
            foreach (var run in chosen.Except(forgotten)) output.Warning($"The run {run.RunId} is still going on, and is not deleted.");
            return Task.CompletedTask;
        });
        if (ParameterSetName == RunSet && forgotten.Count == 0) return;
        if (!ShouldProcess(What(forgotten.Count), "Forget")) return;
        Await((output, cancellation) =>
        {
            Forget(forgotten, cancellation);
            if (PassThru)
            {
                foreach (var run in forgotten) output.Object(run);
            }
            return Task.CompletedTask;
        });
    }

    private string What(int count)
    {
        var text = $"{count} run{(count == 1 ? "" : "s")} with logs";
        if (ForgetsWhatWasLearnt) text += ", and what was learnt of durations";
        return Before is { } moment ? $"{text}, before {moment.LocalDateTime:yyyy-MM-dd HH:mm}" : text;
    }

    private void Forget(IReadOnlyList<NixBuildRun> forgotten, CancellationToken cancellation)
    {
        using var history = ReadOnlyHistory.Open();
        var archive = new LogArchive(history.Store, LogArchive.DefaultFolder);
        try
        {
            // Logs first: if this is interrupted, the runs are still listed, and can be cleared again.
            if (ParameterSetName == TimeSet)
            {
                var abandoned = DateTimeOffset.UtcNow - LongestSilence;
                archive.Delete(archive.AbandonedBefore(Before is { } moment && moment < abandoned ? moment : abandoned));
            }
            archive.Delete(forgotten.Select(run => run.RunId));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException(
                "LogNotDeleted", $"Logs could not be deleted: {e.Message}", "Look at the permissions of the folder.", e);
        }
        cancellation.ThrowIfCancellationRequested();
        history.Store.RemoveRuns([.. forgotten.Select(run => run.RunId)]);
        if (ForgetsWhatWasLearnt) history.Store.RemoveObservations(Before);
    }
}
