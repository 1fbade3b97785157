using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using NixBuildFarm.Builders;
using NixBuildFarm.Views;

namespace NixBuildFarm.Completers;

/// <summary>Completes the names of builders: those of the list given with <c>-Path</c>, else those that Nix is configured with.</summary>
public sealed class BuilderNameCompleter : IArgumentCompleter
{
    // Somebody waits with a finger on the Tab key.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            using var limit = new CancellationTokenSource(Patience);
            var path = fakeBoundParameters["Path"] as string;
            var inventory = Task.Run(() => BuilderInventory.ReadAsync(path, limit.Token)).GetAwaiter().GetResult();
            return Completion.Of(wordToComplete, PolicyStore.Default.ApplyTo(inventory.Builders).Select(b => (b.Name, ToolTip(b))));
        }
        catch (Exception e) when (e is NixBuildFarmException or OperationCanceledException)
        {
            return [];
        }
    }

    private static string ToolTip(NixBuilder builder) =>
        $"{builder.Uri}: {BuilderView.Systems(builder)}; MaxJobs {builder.MaxJobs}, SpeedFactor {builder.SpeedFactor}";
}
