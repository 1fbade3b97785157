using System.Collections;

namespace NixBuildFarm.Completers;

/// <summary>Completes the names of builders for a command whose <c>-Path</c> names another list: from that, where it is given.</summary>
public sealed class ListedBuilderNameCompleter : BuilderNameCompleter
{
    private protected override string? ListFile(IDictionary boundParameters) => boundParameters["Path"] as string;
}
