using System.Management.Automation;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Policies;

/// <summary>
/// Removes policies, so that the configuration applies again: those of the given builders, the farm-wide one if none are given, or all.
/// </summary>
[Cmdlet(
    VerbsCommon.Reset,
    "NixBuilderPolicy",
    DefaultParameterSetName = "Name",
    SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(void))]
public sealed class ResetNixBuilderPolicyCommand : AsyncCommand
{
    private readonly List<string> names = [];
    private readonly List<NixBuilderPolicy> policies = [];

    /// <summary>Names of builders, with wildcards.</summary>
    [Parameter(Position = 0, ParameterSetName = "Name", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("HostName", "ComputerName")]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(PolicyNameCompleter))]
    public string[]? Name { get; set; }

    /// <summary>Policies as Get-NixBuilderPolicy gives them.</summary>
    [Parameter(ParameterSetName = "Policy", Mandatory = true, ValueFromPipeline = true)]
    [ValidateNotNull]
    public NixBuilderPolicy[]? Policy { get; set; }

    /// <summary>Every policy, farm-wide and of builders.</summary>
    [Parameter(ParameterSetName = "All", Mandatory = true)]
    public SwitchParameter All { get; set; }

    /// <summary>Session or User; by default both.</summary>
    [Parameter(ParameterSetName = "Name")]
    [Parameter(ParameterSetName = "All")]
    public PolicyScope? Scope { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == "Policy") policies.AddRange(Policy!);
        else names.AddRange(Name ?? []);
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // An empty pipeline names no policy. It must not turn into the farm-wide one.
        if (policies.Count == 0 && names.Count == 0 && MyInvocation.ExpectingInput) return;
        if (policies.Count == 0) Await((_, _) => { policies.AddRange(Chosen()); return Task.CompletedTask; });

        foreach (var scope in policies.Where(p => ShouldProcess($"{p}", $"Reset {p.Settings} ({p.Scope})")).ToLookup(p => p.Scope))
        {
            Await((_, cancellation) =>
            {
                PolicyStore.Default.Update(
                    scope.Key, set => scope.Aggregate(set, (changed, policy) => changed.Without(policy.Name)), cancellation);
                return Task.CompletedTask;
            });
        }
    }

    private IEnumerable<NixBuilderPolicy> Chosen() =>
        PolicyQuery.Of(Scope, names).Where(p => names.Count > 0 || All || p.Name is null);
}
