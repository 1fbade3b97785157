namespace NixBuildFarm.HelpGenerator;

/// <summary>A page is not laid out as help pages are.</summary>
public sealed class PageException(string page, int line, string message) : Exception(message)
{
    /// <summary>The page's file.</summary>
    public string Page { get; } = page;

    /// <summary>The line, from 1.</summary>
    public int Line { get; } = line;
}
