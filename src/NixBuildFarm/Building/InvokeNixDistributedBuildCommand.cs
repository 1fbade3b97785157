using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Farms;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Planning;
using NixBuildFarm.Running;
using NixBuildFarm.Serving;
using NixBuildFarm.Watching;

namespace NixBuildFarm.Building;

/// <summary>
/// <para type="synopsis">Builds Nix derivations on the builders that are given, the local machine among them as an equal.</para>
/// </summary>
[Cmdlet(
    VerbsLifecycle.Invoke,
    "NixDistributedBuild",
    DefaultParameterSetName = ResultSet,
    SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(NixBuildResult), typeof(NixBuildPlan), typeof(NixBuildRun), typeof(Job))]
public sealed partial class InvokeNixDistributedBuildCommand : DerivationCommand, IDynamicParameters
{
    private const string ResultSet = "Result";

    /// <summary>Names the file of a run's journal: for reports of bugs, which so become tests.</summary>
    private const string JournalVariable = "NIXBUILDFARM_JOURNAL";

    private readonly List<object> givenBuilders = [];
    private readonly List<ResultReference> givenResults = [];
    private readonly BuildChoices choices;

    /// <summary>Makes the command.</summary>
    public InvokeNixDistributedBuildCommand() => choices = new(this);

    /// <summary>
    /// The builders of this build: objects or names. None: all that are enabled. Results that come down the pipeline with them are built
    /// again.
    /// </summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public object[] Builder { get; set; } = [];

    /// <summary>Where links to the requested outputs are made, e.g. <c>result</c>.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? OutLink { get; set; }

    /// <summary>
    /// A file for what all builds print, each line as it comes, with its derivation and builder before it. A file that is there is
    /// replaced.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? LogTo { get; set; }

    /// <summary>
    /// A file for the run as lines of Nix's internal-json, which nom and other tools read. A file that is there is replaced.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? JsonLog { get; set; }

    /// <summary>Goes on in the background, and writes a job.</summary>
    [Parameter]
    public SwitchParameter AsJob { get; set; }

    /// <summary>
    /// The farm that carries the run out: see Start-NixBuildFarm. Without it, the farm <c>default</c> does if it serves, unless something
    /// is said of builders or of how they are used.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(FarmNameCompleter))]
    public string? Farm { get; set; }

    /// <summary>Returns when the run has begun, which then goes on in the farm, and writes the run.</summary>
    [Parameter]
    public SwitchParameter Detach { get; set; }

    /// <summary>How urgent it is among what the same user asks of the farm that carries the run out.</summary>
    [Parameter]
    public BuildPriority Priority { get; set; }

    /// <inheritdoc/>
    public object GetDynamicParameters() => choices;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var item in Builder)
        {
            if (ResultReference.From(item) is { } result) givenResults.Add(result);
            else givenBuilders.Add(item);
        }
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        if (ParameterSetName == ResultSet && givenResults.Count == 0)
        {
            // Nothing failed, say, and so nothing is to be tried again.
            if (MyInvocation.ExpectingInput && givenBuilders.Count == 0) return;
            ThrowTerminatingError(new NixBuildFarmException(
                "NothingToBuild",
                "Nothing is named that could be built.",
                "Name it: nixpkgs#hello, -Path default.nix or -DerivationPath; or give results of a build through the pipeline.")
                    .ToErrorRecord());
        }
        RefuseToCompleteWhatGoesOn();
        choices.EndIfPipelineWasEmpty(givenBuilders.Count + givenResults.Count);
        if (OutLink is not null && choices.CopyBack == CopyBack.None)
        {
            ThrowTerminatingError(new NixBuildFarmException(
                "OutLinkWithoutOutputs", "-OutLink links to outputs in the local store, and with -CopyBack None they do not come there.",
                "Use -CopyBack Requested, or leave -OutLink out.")
                    .ToErrorRecord());
        }

        var question = $"Performing the operation \"Build\" on target \"{string.Join(", ", AllNamed)}\".";
        var invocation = OrEnd(MakeInvocation);
        if (ShouldProcess(question, $"Are you sure you want to perform this action?\n{question}", "Confirm", out var refusal))
        {
            if (AsJob) StartJob(invocation);
            else BuildAndComplete(invocation);
        }
        else if (refusal == ShouldProcessReason.WhatIf)
        {
            Await(invocation.PlanAsync);
        }
    }

    private void StartJob(BuildInvocation invocation)
    {
        var job = new BackgroundBuild(MyInvocation.Line, CompletingJob(invocation));
        JobRepository.Add(job);
        job.Start();
        WriteObject(job);
    }

    private BuildInvocation MakeInvocation() => new()
    {
        Farm = FindFarm(),
        IsDetached = Detach,
        Priority = Priority,
        MakeRequest = MakeRequester(),
        Transports = SessionTransports.With(choices.Credential),
        LogTo = LogTo is null ? null : this.FileOf(LogTo),
        JsonLog = JsonLog is null ? null : this.FileOf(JsonLog),
        IsFull = Display == BuildDisplay.Full && !AsJob && !Detach && WatchScreen.IsPossible,
        EventLog = EventLog is null ? null : this.FileOf(EventLog),
        IsLogSeen = IsLogSeen(),
    };

    /// <summary>The farm that carries the run out; null: this process does.</summary>
    /// <exception cref="NixBuildFarmException">The farm that is named does not serve, or there is none to detach from.</exception>
    private FarmClient? FindFarm()
    {
        if (Farm is not null) return FarmSelection.Find(Farm, OwnBuilders);
        var farm = OwnBuilders.Length > 0 ? null : FarmClient.Find(FarmClient.DefaultName);
        if (farm is not null) WriteVerbose($"The farm {farm.Name} serves, and carries this out.");
        else if (Priority != BuildPriority.Normal) WriteVerbose("No farm carries this out, in which -Priority would order anything.");
        return farm is not null || !Detach
            ? farm
            : throw new NixBuildFarmException(
                "NoFarm",
                "-Detach leaves a run to a farm, and no farm carries this one out.",
                "Start one with Start-NixBuildFarm, or use -AsJob.");
    }

    /// <summary>The parameters that say something of builders, as far as they are given.</summary>
    private string[] OwnBuilders =>
    [
        .. BuildChoices.OfBuilders.Append(nameof(Builder)).Append(nameof(KeepFailed))
            .Where(MyInvocation.BoundParameters.ContainsKey)
            .Concat(givenBuilders.Count > 0 ? [nameof(Builder)] : [])
            .Distinct()
            .Select(name => $"-{name}"),
    ];

    /// <summary>
    /// Whether lines of logs in the information stream are shown to anybody. The engine records each line for hosts and jobs, even if
    /// nobody asked to see it, and logs may be larger than the memory.
    /// </summary>
    private bool IsLogSeen()
    {
        if (MyInvocation.BoundParameters.ContainsKey("InformationVariable")) return true;
        var preference = MyInvocation.BoundParameters.TryGetValue("InformationAction", out var given)
            ? given
            : GetVariableValue("InformationPreference");
        return LanguagePrimitives.TryConvertTo<ActionPreference>(preference, out var action)
            && action is not (ActionPreference.SilentlyContinue or ActionPreference.Ignore);
    }

    private RequestMaker MakeRequester()
    {
        var named = AllNamed.ToArray();
        var resolve = AllResolver();
        var buildSettings = BuildSettings.OfBuild(Settings);
        var keepFailed = KeepFailed.IsPresent;
        var outLink = OutLink is null ? null : this.FileOf(OutLink);
        var journalFile = Environment.GetEnvironmentVariable(JournalVariable) is { Length: > 0 } journal ? this.FileOf(journal) : null;
        var make = choices.MakeRequester(givenBuilders);
        return async (output, cancellation) =>
        {
            var request = await make(output, cancellation);
            return request with
            {
                Evaluate = token => resolve(request.Builders, output, token),
                Named = named,
                OutLink = outLink,
                // As nix build counts, or nix-build.
                SecondLinkNumber = ParameterSetName is InstallableSet or ExpressionSet ? 1 : 2,
                Settings = new Dictionary<string, string>(
                    [.. request.Settings.Where(own => !buildSettings.ContainsKey(own.Key)), .. buildSettings]),
                KeepFailed = keepFailed,
                JournalFile = journalFile,
            };
        };
    }

    private IEnumerable<string> AllNamed => Named.Concat(givenResults.Select(result => result.Name));

    /// <summary>Asks Nix for what the parameters name, and adds piped-in results.</summary>
    private Resolver AllResolver()
    {
        if (givenResults.Count == 0) return MakeResolver();
        var resolve = ParameterSetName == ResultSet ? null : MakeResolver();
        string[] paths = [.. givenResults.Select(result => result.DerivationPath).Distinct()];
        return async (builders, output, cancellation) =>
        {
            var again = InstallableResolver.ResolveDerivations(paths);
            return resolve is null ? again : [.. await resolve(builders, output, cancellation), .. again];
        };
    }
}
