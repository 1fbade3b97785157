using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Serving;

namespace NixBuildFarm.Farms;

/// <summary>
/// <para type="synopsis">Lists the farms of this user that serve.</para>
/// </summary>
[Cmdlet(VerbsCommon.Get, "NixBuildFarm")]
[OutputType(typeof(NixFarm))]
public sealed class GetNixBuildFarmCommand : AsyncCommand
{
    /// <summary>Names of farms; wildcards are allowed.</summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(FarmNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <inheritdoc/>
    protected override void EndProcessing() => Await(async (output, cancellation) =>
    {
        foreach (var farm in FarmSelection.Choose(Name, output))
        {
            try
            {
                output.Object(await farm.StatusAsync(cancellation));
            }
            catch (NixBuildFarmException e)
            {
                output.Error(e, farm.Name);
            }
        }
    });
}
