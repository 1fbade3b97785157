using System.Management.Automation;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Policies;

/// <summary>Gets the policies that were set, farm-wide and of builders, of the session and of the user.</summary>
[Cmdlet(VerbsCommon.Get, "NixBuilderPolicy")]
[OutputType(typeof(NixBuilderPolicy))]
public sealed class GetNixBuilderPolicyCommand : AsyncCommand
{
    private readonly List<string> names = [];

    /// <summary>Names of builders, with wildcards; by default all, and the farm-wide policy.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("HostName", "ComputerName")]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(PolicyNameCompleter))]
    public string[]? Name { get; set; }

    /// <summary>Session or User; by default both.</summary>
    [Parameter]
    public PolicyScope? Scope { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => names.AddRange(Name ?? []);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        if (names.Count == 0 && MyInvocation.ExpectingInput) return;
        Await((output, _) =>
        {
            foreach (var policy in PolicyQuery.Of(Scope, names)) output.Object(policy);
            return Task.CompletedTask;
        });
    }
}
