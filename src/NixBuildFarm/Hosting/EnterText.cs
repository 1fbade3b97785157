using System.Management.Automation.Language;

namespace NixBuildFarm.Hosting;

/// <summary>How the directory of a failed build is entered.</summary>
internal static class EnterText
{
    /// <summary>The file in which nixpkgs leaves the variables of a build.</summary>
    private const string Variables = "env-vars";

    /// <summary>The line that enters it.</summary>
    public static string Of(string folder) => $"cd '{CodeGeneration.EscapeSingleQuotedStringContent(folder)}'";

    /// <summary>What is said of the variables of the build, whose file it may have written itself; null: they are not there.</summary>
    public static string? VariablesIn(string folder) => File.Exists(Path.Combine(folder, Variables))
        ? $"{Variables} there has the variables. It is a script that the build could write: read it before you source it."
        : null;
}
