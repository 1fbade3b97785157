using System.Collections;
using System.Management.Automation;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Builders.Nixos;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Testing;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Builders;

/// <summary>
/// Gets the builders that this machine knows: itself and those of Nix's machines list or of another source, policy applied.
/// </summary>
[Cmdlet(VerbsCommon.Get, "NixBuilder", DefaultParameterSetName = "Path")]
[OutputType(typeof(NixBuilder), typeof(NixBuilderReading))]
public sealed class GetNixBuilderCommand : AsyncCommand
{
    private const int AskedAtATime = 16;
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(30);

    private readonly List<string> names = [];

    /// <summary>Names, with wildcards; by default all.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("HostName", "ComputerName")]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ListedBuilderNameCompleter))]
    public string[]? Name { get; set; }

    /// <summary>A machines list, Nix's own or Lix's in TOML; by default the one that Nix is configured with.</summary>
    [Parameter(ParameterSetName = "Path")]
    [ValidateNotNullOrEmpty]
    public string? Path { get; set; }

    /// <summary>
    /// A NixOS module that describes builders. Nix evaluates it, with nixpkgs where NIX_PATH or its flake has that, else without.
    /// </summary>
    [Parameter(ParameterSetName = "NixosModule", Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string? NixosModule { get; set; }

    /// <summary>Arguments that the module asks for beside those of NixOS.</summary>
    [Parameter(ParameterSetName = "NixosModule")]
    [ValidateNotNull]
    public Hashtable? Argument { get; set; }

    /// <summary>A whole system of a flake, as nixos-rebuild names it: FLAKE#NAME.</summary>
    [Parameter(ParameterSetName = "Flake", Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string? Flake { get; set; }

    /// <summary>
    /// Asks each builder what its machine has now, and writes that: memory, load, pressure, free space, and the builds that go on there.
    /// </summary>
    [Parameter]
    public SwitchParameter Live { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => names.AddRange(Name ?? []);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // Nothing through the pipeline asks for nothing, not for everything.
        if (names.Count == 0 && MyInvocation.ExpectingInput) return;
        var source = Source();
        Await(async (output, cancellation) =>
        {
            var builders = await ConfiguredBuilders.ReadAsync(source, output, cancellation);
            var chosen = names.Count == 0 ? builders : builders.Named(names, output);
            if (Live) await ReadAsync(chosen, output, cancellation);
            else foreach (var builder in chosen) output.Object(builder);
        });
    }

    private static async Task ReadAsync(IReadOnlyList<NixBuilder> builders, CommandOutput output, CancellationToken cancellation)
    {
        // A connection stays open for the next question.
        var options = new TransportOptions { Verbose = output.Verbose, IsComplete = () => true };
        await Parallel.ForEachAsync(
            builders,
            new ParallelOptions { MaxDegreeOfParallelism = AskedAtATime, CancellationToken = cancellation },
            async (builder, stop) =>
            {
                await using var transport = SessionTransports.Factory.Create(builder, options);
                try
                {
                    output.Object(await LiveReading.TakeAsync(builder, transport, AnswerLimit, stop));
                }
                catch (BuilderException e)
                {
                    output.Error(e, builder);
                }
            });
    }

    // The session's state, such as its location, is read on the pipeline's thread.
    private BuilderSource Source()
    {
        try
        {
            return new()
            {
                List = Path is null ? null : this.FileOf(Path),
                NixosModule = NixosModule is null ? null : this.FileOf(NixosModule),
                ModuleArguments = Argument is null ? null : NixExpression.From(Argument),
                System = Flake is null ? null : FlakeSystem.Parse(Flake, this.FileOf),
            };
        }
        catch (NixBuildFarmException e)
        {
            ThrowTerminatingError(e.ToErrorRecord(Flake ?? NixosModule));
            throw;
        }
    }
}
