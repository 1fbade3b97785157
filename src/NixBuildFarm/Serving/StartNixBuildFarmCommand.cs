using System.Collections;
using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Building;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Serving;

/// <summary>
/// <para type="synopsis">Starts a farm that serves every Nix command and every session of this user, in a process of its own.</para>
/// </summary>
[Cmdlet(
    VerbsLifecycle.Start,
    "NixBuildFarm",
    DefaultParameterSetName = BackgroundSet,
    SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(NixFarm))]
public sealed class StartNixBuildFarmCommand : AsyncCommand, IDynamicParameters
{
    private const string BackgroundSet = "Background";
    private const string ForegroundSet = "Foreground";

    private readonly List<object> given = [];
    private readonly BuildChoices choices;

    /// <summary>Makes the command.</summary>
    public StartNixBuildFarmCommand() => choices = new(this);

    /// <summary>The farm's name. Commands join the one that is called <c>default</c> without being asked.</summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = FarmClient.DefaultName;

    /// <summary>The builders: objects or names. None: all that are enabled.</summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public object[] Builder { get; set; } = [];

    /// <summary>Other users of this machine who are let in, without this user's rights at the local store.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] AllowUser { get; set; } = [];

    /// <summary>Serves in this process until Ctrl-C or Stop-NixBuildFarm: for a service manager.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ForegroundSet)]
    public SwitchParameter Foreground { get; set; }

    /// <inheritdoc/>
    public object GetDynamicParameters() => choices;

    /// <inheritdoc/>
    protected override void ProcessRecord() => given.AddRange(Builder);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        choices.EndIfPipelineWasEmpty(given.Count);
        if (!ShouldProcess(Name, "Start")) return;
        var makeRequest = choices.MakeRequester(given);
        if (Foreground) Await((output, cancellation) => ServeAsync(makeRequest, output, cancellation));
        else Await(StartAsync);
    }

    private async Task ServeAsync(RequestMaker makeRequest, CommandOutput output, CancellationToken cancellation)
    {
        var guests = AllowUser.Select(UserIds.Of).ToHashSet();
        var request = await makeRequest(output, cancellation);
        using var history = new SqliteHistory(SqliteHistory.DefaultFile);
        await using var server = new FarmServer(
            Name, request, SessionTransports.With(choices.Credential), history, new FarmObserver(output), guests);
        server.Start();
        output.Object(server.Status);
        await server.Shutdown.WaitAsync(cancellation);
    }

    /// <summary>Has another process serve, with these parameters, and waits until it does.</summary>
    private async Task StartAsync(CommandOutput output, CancellationToken cancellation)
    {
        if (choices.Credential is not null)
        {
            throw new NixBuildFarmException(
                "CredentialForFarm", "A farm in a process of its own cannot be given a passphrase: it would have to lie in a file.",
                "Load the keys into a key agent, or serve with -Foreground.");
        }
        var parameters = new Hashtable(MyInvocation.BoundParameters) { [nameof(Builder)] = given.ToArray() };
        if (given.Count == 0) parameters.Remove(nameof(Builder));
        output.Object(await new FarmProcess(Name).StartAsync(parameters, cancellation));
    }
}
