using System.Collections;
using System.Management.Automation;
using NixBuildFarm.Builders.Listing;

namespace NixBuildFarm.Builders;

/// <summary>Completes the names of builders for a command whose <c>-Path</c> or <c>-NixosModule</c> names another source: from that, where it is given.</summary>
public sealed class ListedBuilderNameCompleter : BuilderNameCompleter
{
    // A completer has no session state of its own.
    private static readonly ScriptBlock FileOf = ScriptBlock.Create("$ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($args[0])");

    private protected override BuilderSource Source(IDictionary boundParameters) => new()
    {
        List = File(boundParameters["Path"]),
        NixosModule = File(boundParameters["NixosModule"]),
    };

    private static string? File(object? parameter) => parameter is string path ? FileOf.InvokeReturnAsIs(path)?.ToString() : null;
}
