using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using NixBuildFarm.Serving;

namespace NixBuildFarm.Farms;

/// <summary>Completes the names of farms that serve.</summary>
public sealed class FarmNameCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        FarmClient.All().Select(farm => farm.Name)
            .Where(name => name.StartsWith(wordToComplete, StringComparison.OrdinalIgnoreCase))
            .Select(name => new CompletionResult(name));
}
