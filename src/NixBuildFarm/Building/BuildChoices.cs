using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Hosting;
using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Building;

/// <summary>
/// How builds are carried out, as parameters that several cmdlets have: PowerShell takes them from here as if they were the cmdlet's own
/// (dynamic parameters).
/// </summary>
public sealed class BuildChoices
{
    private readonly PSCmdlet cmdlet;

    /// <summary>Those that say which builders there are, or how they are used: where a farm has its own, they have no place.</summary>
    internal static readonly IReadOnlyList<string> OfBuilders =
    [
        nameof(ExcludeBuilder), nameof(NoLocal), nameof(Retry), nameof(MaxAbsence), nameof(CopyBack), nameof(PushTo),
        nameof(Push), nameof(CopyTo), nameof(MaxUpload), nameof(Hedge),
        nameof(Share), nameof(LogPath), nameof(Credential),
    ];

    /// <summary>Makes the parameters of a cmdlet.</summary>
    internal BuildChoices(PSCmdlet cmdlet) => this.cmdlet = cmdlet;

    /// <summary>Names of builders that shall not take part; wildcards are allowed.</summary>
    [Parameter]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public string[] ExcludeBuilder { get; set; } = [];

    /// <summary>The local machine does not build; outputs still come home to it.</summary>
    [Parameter]
    public SwitchParameter NoLocal { get; set; }

    /// <summary>After a failure, goes on with what does not depend on it.</summary>
    [Parameter]
    public SwitchParameter KeepGoing { get; set; }

    /// <summary>How often a derivation is tried when builders are the trouble. A build that fails by itself is not repeated.</summary>
    [Parameter]
    [ValidateRange(1, 100)]
    public int Retry { get; set; } = 3;

    /// <summary>How long builds wait for builders that were lost, where no other may take them.</summary>
    [Parameter]
    [ValidateAbsence]
    public TimeSpan? MaxAbsence { get; set; }

    /// <summary>Ends a build that prints nothing for this long.</summary>
    [Parameter]
    [ValidateLimit]
    public TimeSpan? MaxSilentTime { get; set; }

    /// <summary>Ends a build that takes longer.</summary>
    [Parameter]
    [ValidateLimit]
    public TimeSpan? Timeout { get; set; }

    /// <summary>Cores for each build; 0: all of its machine. Without it, the cores of a machine are shared out.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int? Cores { get; set; }

    /// <summary>Which outputs come home: all, the requested ones, or none.</summary>
    [Parameter]
    public CopyBack CopyBack { get; set; } = CopyBack.All;

    /// <summary>
    /// Stores that get what is built, as soon as it is built: URIs for nix copy --to. Without it, those of the policies.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ValidateStore]
    [ArgumentCompleter(typeof(StoreUriCompleter))]
    public string[] PushTo { get; set; } = [];

    /// <summary>Which outputs go to the stores of -PushTo and the machines of -CopyTo: all that is built, or what was asked for.</summary>
    [Parameter]
    public PushScope? Push { get; set; }

    /// <summary>
    /// Machines that get what is built while the build goes on, such as the target of a deployment: builders or their names.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public object[] CopyTo { get; set; } = [];

    /// <summary>Bytes per second that may leave this machine, for all builders together.</summary>
    [Parameter]
    [ValidateRange(1, long.MaxValue)]
    public long? MaxUpload { get; set; }

    /// <summary>Starts what is late and holds up the rest a second time, on a machine that is idle; the first result counts.</summary>
    [Parameter]
    public SwitchParameter Hedge { get; set; }

    /// <summary>Whether other builders do compiles of a build on slots that no derivation can use.</summary>
    [Parameter]
    public ShareMode Share { get; set; } = ShareMode.Auto;

    /// <summary>The folder for the logs of this build.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? LogPath { get; set; }

    /// <summary>Its password is the passphrase of encrypted private keys.</summary>
    [Parameter]
    [Credential]
    public PSCredential? Credential { get; set; }

    /// <summary>
    /// Ends the cmdlet where nothing came down a pipeline that was meant to give builders: that must not turn into builds on all of them.
    /// </summary>
    /// <param name="given">How much came, or was given as a parameter.</param>
    internal void EndIfPipelineWasEmpty(int given)
    {
        if (!cmdlet.MyInvocation.ExpectingInput || given > 0) return;
        cmdlet.ThrowTerminatingError(new NixBuildFarmException(
            "NoBuilder", "No builder came down the pipeline, so there is nothing to build on.",
            "Look at what Get-NixBuilder and your filter give.")
                .ToErrorRecord());
    }

    /// <summary>
    /// Makes what asks for builders and settings, and then has a request that lacks only what is to be built. To be called on the
    /// pipeline's thread.
    /// </summary>
    /// <param name="given">The builders, as objects and names; none: all that are configured.</param>
    internal RequestMaker MakeRequester(IReadOnlyList<object> given)
    {
        var logFolder = LogPath is null ? null : cmdlet.FileOf(LogPath);
        var isCopyBackGiven = cmdlet.MyInvocation.BoundParameters.ContainsKey(nameof(CopyBack));
        return async (output, cancellation) =>
        {
            var reading = NixConfiguration.ReadAsync(cancellation);
            var builders = await SelectAsync(given, reading, output, cancellation);
            var configuration = await reading;
            configuration.RequireOwnStore();
            return new()
            {
                Builders = builders,
                Evaluate = _ => Task.FromResult<IReadOnlyList<RequestedDerivation>>([]),
                KeepGoing = KeepGoing,
                MaxAttempts = Retry,
                MaxAbsence = MaxAbsence,
                MaxSilentTime = MaxSilentTime,
                Timeout = Timeout,
                Cores = Cores,
                Hedge = Hedge,
                Share = Share,
                CopyBack = CopyBack,
                IsCopyBackGiven = isCopyBackGiven,
                PushTo = PushTo,
                Push = Push,
                CopyTo = CopyTo.Length == 0 ? [] : await BuilderSelection.FromAsync(CopyTo, output, cancellation),
                SecretKeyFiles = configuration.SecretKeyFiles,
                MaxUpload = MaxUpload,
                PostBuildHook = configuration.PostBuildHook,
                LogFolder = logFolder,
                BuildersUseSubstitutes = configuration.BuildersUseSubstitutes,
                Settings = configuration.AlwaysAllowSubstitutes
                    ? new Dictionary<string, string> { ["always-allow-substitutes"] = "true" }
                    : new(),
            };
        };
    }

    private async Task<IReadOnlyList<NixBuilder>> SelectAsync(
        IReadOnlyList<object> given, Task<NixConfiguration> settings, CommandOutput output, CancellationToken cancellation)
    {
        var selected = given.Count > 0
            ? await BuilderSelection.FromAsync(given, output, cancellation, settings)
            : await ConfiguredBuilders.ReadAsync(output, cancellation, settings);
        foreach (var builder in selected.Where(builder => !IsUsed(builder)))
        {
            output.Verbose($"{builder.Name} is disabled and takes no part; name it to use it: -Builder {builder.Name}");
        }
        var excluded = ExcludeBuilder.Select(name => WildcardPattern.Get(name, WildcardOptions.IgnoreCase)).ToArray();
        NixBuilder[] builders =
        [
            .. selected.Where(
                builder => IsUsed(builder) && !(NoLocal && builder.IsLocal) && !excluded.Any(pattern => pattern.IsMatch(builder.Name))),
        ];
        return builders.Length > 0
            ? builders
            : throw new NixBuildFarmException(
                "NoBuilder",
                "No builder is left for this build.",
                "Look at what Get-NixBuilder gives, and at -ExcludeBuilder and -NoLocal. One that is disabled has to be named: "
                    + "Get-NixBuilder ruby.");
    }

    /// <summary>A builder that is disabled is used where somebody has named it, and not where it is one of many.</summary>
    private static bool IsUsed(NixBuilder builder) => builder.Enabled || builder.IsNamed;
}
