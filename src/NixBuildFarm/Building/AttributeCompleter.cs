using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Building;

/// <summary>Completes the attributes of the file that <c>-Path</c> names, one step of a path like <c>pkgs.hello</c> at a time.</summary>
public sealed class AttributeCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            if (FilePaths.FileOf(fakeBoundParameters["Path"]) is not { } file || !File.Exists(file)) return [];
            var word = wordToComplete.Trim('\'', '"');
            var prefix = word[..(word.LastIndexOf('.') + 1)];
            string[] steps = prefix.Split('.', StringSplitOptions.RemoveEmptyEntries);
            var names = EvaluationCache.Get(
                $"{file} {File.GetLastWriteTimeUtc(file).Ticks} {prefix}",
                cancellation => AttributeNames.OfFileAsync(file, steps, cancellation));
            // A name with a dot would need quotes that PowerShell and Nix read differently.
            return
            [
                .. Completion.Of(
                    wordToComplete,
                    names.Where(name => !name.Contains('.'))
                        .Select(name => (prefix + name, $"{prefix}{name} of {Path.GetFileName(file)}"))),
            ];
        }
        catch (RuntimeException)
        {
            return [];
        }
    }
}
