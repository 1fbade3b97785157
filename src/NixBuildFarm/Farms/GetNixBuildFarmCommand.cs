using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Serving;

namespace NixBuildFarm.Farms;

/// <summary>
/// <para type="synopsis">Lists the farms of this user that serve.</para>
/// </summary>
[Cmdlet(VerbsCommon.Get, "NixBuildFarm")]
[OutputType(typeof(NixFarm), typeof(string))]
public sealed class GetNixBuildFarmCommand : AsyncCommand
{
    /// <summary>Names of farms; wildcards are allowed.</summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(FarmNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>Writes the farms as metrics, in the text format of Prometheus.</summary>
    [Parameter]
    public SwitchParameter AsMetric { get; set; }

    /// <inheritdoc/>
    protected override void EndProcessing() => Await(async (output, cancellation) =>
    {
        var farms = new List<NixFarm>();
        foreach (var farm in FarmSelection.Choose(Name, output))
        {
            try
            {
                var status = await farm.StatusAsync(cancellation);
                farms.Add(status);
                if (!AsMetric) output.Object(status);
            }
            catch (NixBuildFarmException e)
            {
                output.Error(e, farm.Name);
            }
        }
        if (AsMetric) output.Object(FarmMetrics.Of([.. farms.Select(farm => (farm, FarmMetrics.RunsOf(farm)))]));
    });
}
