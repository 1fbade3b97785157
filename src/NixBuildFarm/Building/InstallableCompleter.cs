using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Building;

/// <summary>Completes flakes and their outputs, as Nix does it for its own commands.</summary>
public sealed class InstallableCompleter : IArgumentCompleter
{
    private static readonly ScriptBlock Folder =
        ScriptBlock.Create("$ExecutionContext.SessionState.Path.CurrentFileSystemLocation.ProviderPath");

    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            var word = wordToComplete.Trim('\'', '"');
            // Before the # there are files, which PowerShell completes, and the few names of a registry.
            if (!word.Contains('#') || Folder.InvokeReturnAsIs()?.ToString() is not { } folder) return [];
            // Asked for the whole set, so that the letters that follow find the answer there.
            var asked = word[..(word.LastIndexOfAny(['#', '.']) is var end && end >= word.IndexOf('#') ? end + 1 : word.Length)];
            var found = EvaluationCache.Get(
                $"{folder} {asked}", cancellation => AttributeNames.OfInstallableAsync(asked, folder, cancellation));
            return
            [
                .. Completion.Of(
                    wordToComplete, found.Select(text => (text, $"{text[(text.IndexOf('#') + 1)..]} of {word[..word.IndexOf('#')]}"))),
            ];
        }
        catch (RuntimeException)
        {
            return [];
        }
    }
}
