using System.Collections;
using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Policies;

/// <summary>
/// Sets how builders are used, over what is configured: of the builders given, or farm-wide when none are.
/// Nix's own configuration stays as it is.
/// </summary>
[Cmdlet(
    VerbsCommon.Set, "NixBuilderPolicy", DefaultParameterSetName = "Name", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(NixBuilder))]
public sealed class SetNixBuilderPolicyCommand : AsyncCommand
{
    private readonly List<string> names = [];
    private readonly List<NixBuilder> builders = [];

    /// <summary>Names of configured builders, with wildcards.</summary>
    [Parameter(Position = 0, ParameterSetName = "Name", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("HostName", "ComputerName")]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public string[]? Name { get; set; }

    /// <summary>Builders as Get-NixBuilder gives them.</summary>
    [Parameter(ParameterSetName = "Builder", Mandatory = true, ValueFromPipeline = true)]
    [ValidateNotNull]
    public NixBuilder[]? Builder { get; set; }

    /// <summary>Builds at a time; 0: none.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int? MaxJobs { get; set; }

    /// <summary>Cores that builds may use in all.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int? Cores { get; set; }

    /// <summary>Cores that are kept free for the person at the machine.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int? Reserve { get; set; }

    /// <summary>Bytes of memory that builds leave to the person at the machine.</summary>
    [Parameter]
    [ValidateRange(0, long.MaxValue)]
    public long? ReserveMemory { get; set; }

    /// <summary>Bytes of memory to keep for builds, by names of derivations, with wildcards.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public Hashtable? Memory { get; set; }

    /// <summary>Speed relative to the other builders.</summary>
    [Parameter]
    [ValidateRange(0.001, 1000.0)]
    public double? SpeedFactor { get; set; }

    /// <summary>The load of others for each core with which it takes no new builds.</summary>
    [Parameter]
    [ValidateRange(0.01, 1000.0)]
    public double? MaxLoad { get; set; }

    /// <summary>Bytes that have to be free in its store, and where builds work, for it to take new builds.</summary>
    [Parameter]
    [ValidateRange(0, long.MaxValue)]
    public long? MinFreeSpace { get; set; }

    /// <summary>Takes new builds only while nobody else uses it; <c>-IdleOnly:$false</c> takes them at any time again.</summary>
    [Parameter]
    public SwitchParameter IdleOnly { get; set; }

    /// <summary>Whether runs use the builder when they are not told otherwise.</summary>
    [Parameter]
    public bool? Enabled { get; set; }

    /// <summary>Takes no builds, even where it is named; <c>-Drain:$false</c> takes some again.</summary>
    [Parameter]
    public SwitchParameter Drain { get; set; }

    /// <summary>The systems that it builds for, in place of those that are configured.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[]? System { get; set; }

    /// <summary>Systems that it does not build for, although configured.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[]? ExcludeSystem { get; set; }

    /// <summary>The features that it supports, in place of those that are configured.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[]? Feature { get; set; }

    /// <summary>Names of derivations, with wildcards: it takes only these.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[]? Match { get; set; }

    /// <summary>Names of derivations, with wildcards: it takes none of these.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[]? Exclude { get; set; }

    /// <summary>Which of its outputs are copied back, unless a build says otherwise.</summary>
    [Parameter]
    public CopyBack? CopyBack { get; set; }

    /// <summary>Stores that get what it builds, unless a build says otherwise: URIs for nix copy --to.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ValidateStore]
    [ArgumentCompleter(typeof(StoreUriCompleter))]
    public string[]? PushTo { get; set; }

    /// <summary>Which of its outputs go there, unless a build says otherwise.</summary>
    [Parameter]
    public PushScope? Push { get; set; }

    /// <summary>It puts what it has built into those stores itself, with what its login has of keys and credentials.</summary>
    [Parameter]
    public SwitchParameter PushItself { get; set; }

    /// <summary>Bytes per second that are sent to it at most.</summary>
    [Parameter]
    [ValidateRange(1, long.MaxValue)]
    public long? MaxUpload { get; set; }

    /// <summary>Whether it does compiles for builds of other builders, and they for its own.</summary>
    [Parameter]
    public ShareRole? Share { get; set; }

    /// <summary>Bytes of compiles that stay in its store after a run, to be taken from there by later ones.</summary>
    [Parameter]
    [ValidateRange(0, long.MaxValue)]
    public long? ShareMemo { get; set; }

    /// <summary>The private key file to log in with, instead of the configured one.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? IdentityFile { get; set; }

    /// <summary>User (kept, the default) or Session (until this process ends; it wins).</summary>
    [Parameter]
    public PolicyScope Scope { get; set; } = PolicyScope.User;

    /// <summary>Writes the builders as they will be used.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>The given parameters that are settings.</summary>
    private BuilderPolicy Change => BuilderPolicy.Of(name => MyInvocation.BoundParameters.GetValueOrDefault(name) switch
    {
        SwitchParameter given => given.IsPresent,
        string file when name == nameof(IdentityFile) => this.FileOf(file),
        Hashtable needs => NeedsOf(needs),
        var value => value,
    });

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        if (Memory is { } needs && NeedsOf(needs).FirstOrDefault(need => need.Key.Length == 0 || need.Value < 0) is { Key: { } wrong })
        {
            ThrowTerminatingError(
                new NixBuildFarmException(
                    "MalformedMemory",
                    $"The memory of “{wrong}” is no size.",
                    "Give names of derivations, with wildcards, and bytes, such as @{ 'chromium*' = 32GB }.")
                    .ToErrorRecord());
        }
        if (Change.IsEmpty)
        {
            ThrowTerminatingError(
                new NixBuildFarmException("NothingToSet", "No setting is given.", "Give at least one, such as -MaxJobs or -Enabled.")
                    .ToErrorRecord());
        }
    }

    /// <summary>Bytes by wildcard; −1 where they are no number.</summary>
    private static Dictionary<string, long> NeedsOf(Hashtable table)
    {
        var needs = new Dictionary<string, long>();
        foreach (DictionaryEntry need in table)
        {
            needs[$"{need.Key}"] = LanguagePrimitives.TryConvertTo<long>(need.Value, out var bytes) ? bytes : -1;
        }
        return needs;
    }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == "Builder") builders.AddRange(Builder!);
        else names.AddRange(Name ?? []);
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // An empty pipeline names no builder. It must not turn into “all of them”.
        if (names.Count > 0 || builders.Count > 0) SetForBuilders();
        else if (!MyInvocation.ExpectingInput) SetFarmWide();
    }

    private void SetForBuilders()
    {
        if (names.Count > 0) builders.AddRange(Configured(names));
        var confirmed = builders.DistinctBy(b => b.Name, StringComparer.OrdinalIgnoreCase).Where(b => ShouldSet(b.Name)).ToList();
        if (confirmed.Count == 0) return;

        var change = Change;
        Update(
            set => confirmed.Aggregate(set, (changed, builder) => changed.With(builder.Name, change)), [.. confirmed.Select(b => b.Name)]);
        Report(confirmed);
    }

    private void SetFarmWide()
    {
        if (!ShouldSet("every builder without a setting of its own")) return;
        var change = Change;
        Update(set => set.With(null, change), []);
        if (PassThru) Report(Configured(names: null));
    }

    private bool ShouldSet(string target) => ShouldProcess(target, $"Set {Change} ({Scope})");

    private IReadOnlyList<NixBuilder> Configured(IReadOnlyList<string>? names)
    {
        IReadOnlyList<NixBuilder> found = [];
        Await(async (output, cancellation) =>
        {
            var all = await ConfiguredBuilders.ReadAsync(output, cancellation);
            found = names is null ? all : all.Named(names, output);
        });
        return found;
    }

    private void Update(Func<PolicySet, PolicySet> change, IReadOnlyList<string> targets) => Await((output, cancellation) =>
    {
        PolicyStore.Default.Update(Scope, change, cancellation);
        if (Scope == PolicyScope.User)
        {
            var session = PolicyStore.Default.Read(PolicyScope.Session);
            foreach (var (target, stronger) in targets.Select(t => (t, session.For(t))).DefaultIfEmpty(("every builder", session.FarmWide)))
            {
                if (stronger.Hides(Change))
                {
                    output.Warning($"{target}: the policy of this session ({stronger}) stays in force until it is reset.");
                }
            }
        }
        return Task.CompletedTask;
    });

    private void Report(IReadOnlyList<NixBuilder> changed)
    {
        if (!PassThru) return;
        Await((output, _) =>
        {
            foreach (var builder in PolicyStore.Default.ApplyTo(changed)) output.Object(builder);
            return Task.CompletedTask;
        });
    }
}
