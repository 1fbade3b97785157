using System.Collections;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Builders;

/// <summary>
/// Completes the names of builders for a command whose <c>-Path</c> or <c>-NixosModule</c> names another source: from that, where it is
/// given.
/// </summary>
public sealed class ListedBuilderNameCompleter : BuilderNameCompleter
{
    private protected override BuilderSource Source(IDictionary boundParameters) => new()
    {
        List = FilePaths.FileOf(boundParameters["Path"]),
        NixosModule = FilePaths.FileOf(boundParameters["NixosModule"]),
    };
}
