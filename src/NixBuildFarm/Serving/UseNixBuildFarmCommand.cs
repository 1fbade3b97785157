using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Building;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Serving;

/// <summary>
/// <para type="synopsis">Runs a script block in which every Nix command builds on the farm.</para>
/// </summary>
[Cmdlet(VerbsOther.Use, "NixBuildFarm")]
[OutputType(typeof(object))]
public sealed class UseNixBuildFarmCommand : AsyncCommand, IDynamicParameters
{
    private const string Remote = "NIX_REMOTE";

    private readonly List<object> given = [];
    private readonly BuildChoices choices;

    /// <summary>Makes the command.</summary>
    public UseNixBuildFarmCommand() => choices = new(this);

    /// <summary>What is run. The Nix commands in it, and those that they start, build on the farm.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    public ScriptBlock ScriptBlock { get; set; } = null!;

    /// <summary>The builders: objects or names. None: all that are enabled.</summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public object[] Builder { get; set; } = [];

    /// <inheritdoc/>
    public object GetDynamicParameters() => choices;

    /// <inheritdoc/>
    protected override void ProcessRecord() => given.AddRange(Builder);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        choices.EndIfPipelineWasEmpty(given.Count);
        var makeRequest = choices.MakeRequester(given);
        var later = new LaterOutput();
        using var history = new SqliteHistory(SqliteHistory.DefaultFile);
        FarmServer? front = null;
        Await(async (output, cancellation) =>
        {
            var request = await makeRequest(output, cancellation);
            front = new(null, request, SessionTransports.With(choices.Credential), history, new FarmObserver(later));
            front.Start();
        });
        var before = Environment.GetEnvironmentVariable(Remote);
        try
        {
            Environment.SetEnvironmentVariable(Remote, front!.Address);
            Run(later);
        }
        finally
        {
            Environment.SetEnvironmentVariable(Remote, before);
            front!.DisposeAsync().AsTask().Wait();
            later.WriteTo(this);
        }
    }

    /// <summary>Runs the block in the caller's scope. What it writes is what the command writes, as it comes.</summary>
    private void Run(LaterOutput later)
    {
        using var pipeline = ScriptBlock.Create("param($block) . $block").GetSteppablePipeline(CommandOrigin.Internal, [ScriptBlock]);
        pipeline.Begin(this);
        pipeline.Process();
        later.WriteTo(this);
        pipeline.End();
    }
}
