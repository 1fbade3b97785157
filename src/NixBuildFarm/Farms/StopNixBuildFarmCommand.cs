using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Serving;

namespace NixBuildFarm.Farms;

/// <summary>
/// <para type="synopsis">Ends farms that serve, with all that they build.</para>
/// </summary>
[Cmdlet(VerbsLifecycle.Stop, "NixBuildFarm", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(void))]
public sealed class StopNixBuildFarmCommand : AsyncCommand
{
    private readonly List<string> names = [];

    /// <summary>Names of farms; wildcards are allowed.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(FarmNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord() => names.AddRange(Name);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // Nothing through the pipeline asks for nothing, not for all.
        if (MyInvocation.ExpectingInput && names.Count == 0) return;
        if (names.Count == 0) names.Add(FarmClient.DefaultName);
        var farms = new List<FarmClient>();
        Await((output, _) =>
        {
            farms.AddRange(FarmSelection.Choose(names, output));
            return Task.CompletedTask;
        });
        foreach (var farm in farms.Where(farm => ShouldProcess(farm.Name, "Stop")))
        {
            Await(async (output, cancellation) =>
            {
                try
                {
                    await farm.ShutdownAsync(cancellation);
                }
                catch (NixBuildFarmException e)
                {
                    output.Error(e, farm.Name);
                }
            });
        }
    }
}
