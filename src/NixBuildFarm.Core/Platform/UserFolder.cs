using NixBuildFarm.Errors;

namespace NixBuildFarm.Platform;

/// <summary>The user's folders, by the XDG base directory specification.</summary>
internal static class UserFolder
{
    /// <summary>Returns NixBuildFarm's folder in one of the base directories; it may not exist yet.</summary>
    /// <param name="variable">The environment variable that names the base directory.</param>
    /// <param name="standard">The base directory below the home folder, where the variable names none.</param>
    /// <exception cref="NixBuildFarmException">The user has no home folder.</exception>
    public static string Find(string variable, string standard)
    {
        // The specification: a relative path is ignored.
        var named = Environment.GetEnvironmentVariable(variable);
        return Path.Combine(Path.IsPathRooted(named) ? named : Path.Combine(Home(variable), standard), "nixbuildfarm");
    }

    private static string Home(string variable) => Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home
        ? home
        : throw new NixBuildFarmException("NoHomeFolder", "This user has no home folder.", $"Set HOME or {variable}.");
}
