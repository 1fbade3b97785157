using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Building;
using NixBuildFarm.Errors;
using NixBuildFarm.Farms;
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

    /// <summary>A farm that serves already: see Start-NixBuildFarm. Its builders build then, in its way.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(FarmNameCompleter))]
    public string? Farm { get; set; }

    /// <summary>How urgent the commands of the block are among what the same user asks of the farm.</summary>
    [Parameter]
    public BuildPriority Priority { get; set; }

    /// <inheritdoc/>
    public object GetDynamicParameters() => choices;

    /// <inheritdoc/>
    protected override void ProcessRecord() => given.AddRange(Builder);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        choices.EndIfPipelineWasEmpty(given.Count);
        if (Farm is not null)
        {
            Join(Farm);
            return;
        }
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
        try
        {
            Run(front!.Address, later);
        }
        finally
        {
            front!.DisposeAsync().AsTask().Wait();
            later.WriteTo(this);
        }
    }

    /// <summary>Runs the block with a farm that serves already.</summary>
    private void Join(string name)
    {
        FarmClient? farm = null;
        try
        {
            farm = FarmSelection.Find(name, OwnWay);
        }
        catch (NixBuildFarmException e)
        {
            ThrowTerminatingError(e.ToErrorRecord());
        }
        Run(farm!.Address, new());
    }

    /// <summary>The parameters that say how the block would build without a farm that serves, as far as they are given.</summary>
    private string[] OwnWay =>
    [
        .. MyInvocation.BoundParameters.Keys.Except([.. CommonParameters, nameof(ScriptBlock), nameof(Farm), nameof(Priority)])
            .Concat(given.Count > 0 ? [nameof(Builder)] : [])
            .Distinct()
            .Select(other => $"-{other}"),
    ];

    /// <summary>
    /// Runs the block in the caller's scope, where Nix commands build at an address. What it writes is what the command writes, as it
    /// comes.
    /// </summary>
    private void Run(string address, LaterOutput later)
    {
        var before =
            (Remote: Environment.GetEnvironmentVariable(Remote), Priority: Environment.GetEnvironmentVariable(FarmClient.PriorityVariable));
        try
        {
            Environment.SetEnvironmentVariable(Remote, address);
            if (Priority != BuildPriority.Normal) Environment.SetEnvironmentVariable(FarmClient.PriorityVariable, Priority.ToString());
            RunBlock(later);
        }
        finally
        {
            Environment.SetEnvironmentVariable(Remote, before.Remote);
            Environment.SetEnvironmentVariable(FarmClient.PriorityVariable, before.Priority);
        }
    }

    private void RunBlock(LaterOutput later)
    {
        using var pipeline = ScriptBlock.Create("param($block) . $block").GetSteppablePipeline(CommandOrigin.Internal, [ScriptBlock]);
        pipeline.Begin(this);
        pipeline.Process();
        later.WriteTo(this);
        pipeline.End();
    }
}
