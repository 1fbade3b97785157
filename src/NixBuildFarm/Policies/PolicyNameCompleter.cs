using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Policies;

/// <summary>Completes the names of builders that have a policy.</summary>
public sealed class PolicyNameCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            var policies = Enum.GetValues<PolicyScope>().SelectMany(PolicyStore.Default.List).Where(p => p.Name is not null);
            return Completion.Of(
                wordToComplete,
                policies.GroupBy(p => p.Name!, StringComparer.OrdinalIgnoreCase)
                    .Select(g => (g.Key, string.Join("; ", g.Select(ToolTip)))));
        }
        catch (NixBuildFarmException)
        {
            return [];
        }
    }

    private static string ToolTip(NixBuilderPolicy policy) => $"{policy.Scope}: {policy.Settings}";
}
