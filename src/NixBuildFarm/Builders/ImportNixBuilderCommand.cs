using System.Collections;
using System.Management.Automation;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Builders;

/// <summary>
/// Makes builders of files and of objects that describe them. Policies are not applied, and the local machine is not added.
/// </summary>
[Cmdlet(VerbsData.Import, "NixBuilder", DefaultParameterSetName = PathSet)]
[OutputType(typeof(NixBuilder))]
public sealed class ImportNixBuilderCommand : AsyncCommand
{
    private const string PathSet = "Path";
    private const string ObjectSet = "InputObject";

    private readonly List<string> files = [];
    private readonly List<PSObject> objects = [];

    /// <summary>Machines lists, Nix's own or Lix's in TOML, and NixOS modules, which end in <c>.nix</c>.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = PathSet)]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>Arguments that the NixOS modules ask for beside those of NixOS.</summary>
    [Parameter(ParameterSetName = PathSet)]
    [ValidateNotNull]
    public Hashtable? Argument { get; set; }

    /// <summary>Objects with the properties of a builder, such as the rows that Import-Csv gives.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ObjectSet, ValueFromPipeline = true)]
    [ValidateNotNull]
    public PSObject[] InputObject { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == PathSet) files.AddRange(Path.Select(this.FileOf));
        else objects.AddRange(InputObject);
    }

    /// <inheritdoc/>
    protected override void EndProcessing() => Await(async (output, cancellation) =>
    {
        foreach (var file in files) await ImportAsync(file, output, cancellation);
        if (objects.Count > 0)
        {
            foreach (var builder in await BuilderDescriptions.ReadAsync(objects, output, cancellation)) output.Object(builder);
        }
    });

    private async Task ImportAsync(string file, CommandOutput output, CancellationToken cancellation)
    {
        BuilderSource source = BuilderFormats.Of(file) == NixBuilderFormat.NixosModule
            ? new() { NixosModule = file, ModuleArguments = Argument is null ? null : NixExpression.From(Argument) }
            : new() { List = file };
        try
        {
            var inventory = await ConfiguredBuilders.ReadInventoryAsync(source, cancellation);
            output.Problems(inventory.Problems);
            foreach (var builder in inventory.Listed) output.Object(builder);
        }
        catch (NixBuildFarmException e)
        {
            output.Error(e, file);
        }
    }
}
