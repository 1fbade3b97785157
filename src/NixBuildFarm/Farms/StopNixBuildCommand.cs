using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Serving;

namespace NixBuildFarm.Farms;

/// <summary>
/// <para type="synopsis">Ends runs that go on in a farm.</para>
/// </summary>
[Cmdlet(VerbsLifecycle.Stop, "NixBuild", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(void))]
public sealed class StopNixBuildCommand : AsyncCommand
{
    private readonly List<string> runs = [];

    /// <summary>Ids of runs, or beginnings of them.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("RunId", "Id")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RunCompleter))]
    public string[] Run { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord() => runs.AddRange(Run);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        var going = new List<(FarmClient Farm, string RunId)>();
        Await(async (output, cancellation) =>
        {
            var known = new List<(FarmClient Farm, string RunId)>();
            foreach (var farm in FarmClient.All()) known.AddRange((await farm.StatusAsync(cancellation)).Runs.Select(run => (farm, run)));
            foreach (var run in runs)
            {
                (FarmClient, string RunId)[] meant = [.. known.Where(one => one.RunId.StartsWith(run, StringComparison.Ordinal))];
                if (meant.Length == 1) going.Add(meant[0]);
                else output.Error(NotOne(run, meant.Length), run);
            }
        });
        foreach (var (farm, run) in going.Distinct().Where(one => ShouldProcess(one.RunId, "Stop")))
        {
            Await(async (output, cancellation) =>
            {
                try
                {
                    await farm.StopAsync(run, cancellation);
                }
                catch (NixBuildFarmException e)
                {
                    output.Error(e, run);
                }
            });
        }
    }

    private static NixBuildFarmException NotOne(string run, int count) => count == 0
        ? new(
            "RunNotFound",
            $"No run {run} goes on in a farm.",
            "Get-NixBuild -State Running lists the runs that go on. One of a session ends with Ctrl-C there, or with its job.")
        : new("AmbiguousRun", $"{count} runs that go on begin with {run}.", "Give more of the id.");
}
