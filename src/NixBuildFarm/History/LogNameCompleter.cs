using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.History;

/// <summary>Completes the names of derivations that have logs, those of the newest runs.</summary>
public sealed class LogNameCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            var archive = new LogArchive(NoHistory.Instance, LogArchive.DefaultFolder);
            return [.. Completion.Of(wordToComplete, archive.Recent().Select(log => (log.Name, $"of the run {log.RunId}")))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
