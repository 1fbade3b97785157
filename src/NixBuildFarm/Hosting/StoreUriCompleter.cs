using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Hosting;

/// <summary>Completes stores: those that policies name, and the kinds that Nix knows.</summary>
public sealed class StoreUriCompleter : IArgumentCompleter
{
    private static readonly (string Text, string ToolTip)[] Kinds =
    [
        ("s3://", "a binary cache in S3: s3://BUCKET?region=REGION"),
        ("file:///", "a binary cache in a folder: file:///srv/cache"),
        ("https://", "a binary cache that takes uploads by PUT"),
        ("ssh-ng://", "the store of a machine; -CopyTo does the same faster"),
    ];

    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            var known = Enum.GetValues<PolicyScope>()
                .SelectMany(PolicyStore.Default.List)
                .SelectMany(policy => policy.PushTo ?? [])
                .Select(uri => (StoreUri.WithoutSecrets(uri), "of the policy"));
            return [.. Completion.Of(wordToComplete, known.Concat(Kinds).DistinctBy(kind => kind.Item1))];
        }
        catch (NixBuildFarmException)
        {
            return [.. Completion.Of(wordToComplete, Kinds)];
        }
    }
}
