using System.Collections;
using System.Management.Automation;

namespace NixBuildFarm.Completers;

/// <summary>Completes the names of builders for a command whose <c>-Path</c> names another list: from that, where it is given.</summary>
public sealed class ListedBuilderNameCompleter : BuilderNameCompleter
{
    // A completer has no session state of its own.
    private static readonly ScriptBlock FileOf = ScriptBlock.Create("$ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($args[0])");

    private protected override string? ListFile(IDictionary boundParameters) =>
        boundParameters["Path"] is string path ? FileOf.InvokeReturnAsIs(path)?.ToString() : null;
}
