using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Completers;

namespace NixBuildFarm.Commands;

/// <summary>
/// Sets how builders are used, over what is configured: of the builders given, or farm-wide when none are.
/// Nix's own configuration stays as it is.
/// </summary>
[Cmdlet(VerbsCommon.Set, "NixBuilderPolicy", DefaultParameterSetName = "Name", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Low)]
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

    /// <summary>Speed relative to the other builders.</summary>
    [Parameter]
    [ValidateRange(0.001, 1000.0)]
    public double? SpeedFactor { get; set; }

    /// <summary>Whether runs use the builder when they are not told otherwise.</summary>
    [Parameter]
    public bool? Enabled { get; set; }

    /// <summary>User (kept, the default) or Session (until this process ends; it wins).</summary>
    [Parameter]
    public PolicyScope Scope { get; set; } = PolicyScope.User;

    /// <summary>Writes the builders as they will be used.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private BuilderPolicy Change => new() { MaxJobs = MaxJobs, SpeedFactor = SpeedFactor, Enabled = Enabled };

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        if (Change.IsEmpty)
        {
            ThrowTerminatingError(new NixBuildFarmException("NothingToSet", "No setting is given.", "Give -MaxJobs, -SpeedFactor or -Enabled.").ToErrorRecord());
        }
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
        Update(set => confirmed.Aggregate(set, (changed, builder) => changed.With(builder.Name, change)), [.. confirmed.Select(b => b.Name)]);
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
                if (stronger.Hides(Change)) output.Warning($"{target}: the policy of this session ({stronger}) stays in force until it is reset.");
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
