using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.History;

/// <summary>Completes the ids of past runs, the newest first.</summary>
public sealed class RunCompleter : IArgumentCompleter
{
    private const int Offered = 100;

    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            using var history = ReadOnlyHistory.Open();
            return
            [
                .. Completion.Of(wordToComplete, history.Store.Runs(new() { Newest = Offered }).Select(run => (run.RunId, ToolTip(run)))),
            ];
        }
        catch (NixBuildFarmException)
        {
            return [];
        }
    }

    private static string ToolTip(NixBuildRun run) =>
        $"{HumanText.Moment(run.Started)}, {run.State}, {run.Built} built in {HumanText.Span(run.Duration)}: "
            + $"{string.Join(", ", run.Requested)}";
}
