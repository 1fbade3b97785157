using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Builders;

/// <summary>Completes the names of the builders that Nix is configured with.</summary>
public class BuilderNameCompleter : IArgumentCompleter
{
    // The user waits at the prompt.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            using var limit = new CancellationTokenSource(Patience);
            var source = Source(fakeBoundParameters);
            var inventory = Task.Run(() => ConfiguredBuilders.ReadInventoryAsync(source, limit.Token)).GetAwaiter().GetResult();
            return Completion.Of(wordToComplete, PolicyStore.Default.ApplyTo(inventory.Builders).Select(b => (b.Name, ToolTip(b))));
        }
        catch (Exception e) when (e is NixBuildFarmException or RuntimeException or OperationCanceledException)
        {
            return [];
        }
    }

    /// <summary>Where the builders are described that are meant.</summary>
    private protected virtual BuilderSource Source(IDictionary boundParameters) => BuilderSource.Configured;

    private static string ToolTip(NixBuilder builder) =>
        $"{builder.Uri}: {BuilderView.Systems(builder.Systems)}; MaxJobs {builder.MaxJobs}, SpeedFactor {builder.SpeedFactor}";
}
