using System.Management.Automation;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Farms;

/// <summary>
/// <para type="synopsis">Waits until runs have ended, of whatever session, and writes them.</para>
/// </summary>
[Cmdlet(VerbsLifecycle.Wait, "NixBuild")]
[OutputType(typeof(NixBuildRun))]
public sealed class WaitNixBuildCommand : AsyncCommand
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly List<string> runs = [];

    /// <summary>Ids of runs, or beginnings of them; none: all that go on.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("RunId", "Id")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RunCompleter))]
    public string[] Run { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord() => runs.AddRange(Run);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // Nothing through the pipeline asks for nothing, not for all.
        if (MyInvocation.ExpectingInput && runs.Count == 0) return;
        Await(async (output, cancellation) =>
        {
            using var history = ReadOnlyHistory.Open();
            var filter = new RunFilter { State = runs.Count == 0 ? RunState.Running : null };
            string[] waiting = [.. history.Choose(runs, filter, output).Select(run => run.RunId)];
            while (waiting.Length > 0)
            {
                var ended = history.Store.Runs(new RunFilter())
                    .Where(run => waiting.Contains(run.RunId) && run.State != RunState.Running)
                    .ToArray();
                foreach (var run in ended) output.Object(run);
                waiting = [.. waiting.Except(ended.Select(run => run.RunId))];
                if (waiting.Length > 0) await Task.Delay(Interval, cancellation);
            }
        });
    }
}
