using System.Text;

namespace NixBuildFarm.HelpGenerator;

/// <summary>A file that Get-Help reads.</summary>
/// <param name="Name">Its name, by which Get-Help finds it.</param>
/// <param name="Text">What is in it.</param>
public sealed record HelpFile(string Name, string Text)
{
    private const string AboutPrefix = "about_";

    /// <summary>Get-Help looks for the file of the module's root assembly.</summary>
    public const string CommandsName = "NixBuildFarm.dll-Help.xml";

    /// <summary>All files: one with the cmdlets, and one for each page about_*.</summary>
    /// <exception cref="PageException">A page is not laid out as help pages are.</exception>
    public static IReadOnlyList<HelpFile> OfPages(string folder)
    {
        var pages = Directory.GetFiles(folder, "*.md").Order(StringComparer.Ordinal).ToLookup(IsAbout);
        return
        [
            new(CommandsName, MamlWriter.Write(pages[false].Select(CommandPage.Read))),
            .. pages[true].Select(
                page => new HelpFile(Path.GetFileNameWithoutExtension(page) + ".help.txt", AboutWriter.Write(Page.Read(page)))),
        ];
    }

    /// <summary>Writes it to a folder, which is made where it is not there.</summary>
    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        // With a byte order mark: PowerShell reads about_ files by it.
        File.WriteAllText(Path.Combine(folder, Name), Text, new UTF8Encoding(encoderShouldEmitUTF8Identifier: true));
    }

    private static bool IsAbout(string page) => Path.GetFileName(page).StartsWith(AboutPrefix, StringComparison.Ordinal);
}
