using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Building;
using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Planning;

namespace NixBuildFarm.Policies;

/// <summary>
/// <para type="synopsis">Tells which builder would take a derivation and when it would be done, and why each other would not.</para>
/// </summary>
[Cmdlet(VerbsDiagnostic.Test, "NixBuilderPolicy", DefaultParameterSetName = InstallableSet)]
[OutputType(typeof(NixBuilderPolicyTest))]
public sealed class TestNixBuilderPolicyCommand : DerivationCommand
{
    private readonly List<string> derivations = [];

    /// <summary>Paths of derivations in the local store; results, plans and whatever else has such a property can be piped in.</summary>
    [Parameter(Mandatory = true, ParameterSetName = DerivationSet, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public override string[] DerivationPath { get; set; } = [];

    /// <summary>The builders: objects or names. None: all that are configured, disabled ones too.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public object[] Builder { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == DerivationSet) derivations.AddRange(DerivationPath);
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        if (ParameterSetName == DerivationSet)
        {
            if (derivations.Count == 0) return;
            DerivationPath = [.. derivations.Distinct()];
        }
        var resolve = OrEnd(MakeResolver);
        Await((output, cancellation) => TestAsync(resolve, output, cancellation));
    }

    private async Task TestAsync(Resolver resolve, CommandOutput output, CancellationToken cancellation)
    {
        var builders = Builder.Length > 0
            ? await BuilderSelection.FromAsync(Builder, output, cancellation)
            : await ConfiguredBuilders.ReadAsync(output, cancellation);
        if (builders.Count == 0) return;
        using var history = ReadOnlyHistory.Open();
        var tester = new PolicyTester(builders, history.Store, new PipelineObserver(output));
        foreach (var requested in (await EvaluateAsync(cancellation)).DistinctBy(r => r.Derivation))
        {
            foreach (var test in await tester.TestAsync(requested.Derivation, EvaluateAsync, cancellation)) output.Object(test);
        }

        Task<IReadOnlyList<RequestedDerivation>> EvaluateAsync(CancellationToken token) => resolve(null, output, token);
    }
}
