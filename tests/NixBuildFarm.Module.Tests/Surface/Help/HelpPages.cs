using NixBuildFarm.HelpGenerator;

namespace NixBuildFarm.Module.Tests.Surface.Help;

/// <summary>The pages in docs/en-US, which the help is made of.</summary>
internal static class HelpPages
{
    public static string Repository { get; } = FindRepository();

    public static string Folder { get; } = Path.Combine(Repository, "docs", "en-US");

    /// <summary>The names of all pages: those of cmdlets, and about_*.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        .. Directory.GetFiles(Folder, "*.md").Select(page => Path.GetFileNameWithoutExtension(page)),
    ];

    public static CommandPage Of(string cmdlet) => CommandPage.Read(Path.Combine(Folder, cmdlet + ".md"));

    private static string FindRepository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "NixBuildFarm.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new FileNotFoundException("NixBuildFarm.sln is in no folder above the tests.");
        }
        return folder;
    }
}
