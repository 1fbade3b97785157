namespace NixBuildFarm.Platform;

/// <summary>
/// Finds programs in PATH only. .NET would look in the current folder first, where a checkout could have a <c>nix</c> of its own.
/// </summary>
public static class ProgramPath
{
    /// <summary>The file of a program; null when no folder of PATH has it. A path stays as it is.</summary>
    public static string? Find(string program)
    {
        if (program.Contains('/', StringComparison.Ordinal)) return program;
        return (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(':')
            .Where(Path.IsPathRooted)
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(IsProgram);
    }

    private static bool IsProgram(string file)
    {
        const UnixFileMode AnyExecute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        return File.Exists(file) && (OperatingSystem.IsWindows() || (File.GetUnixFileMode(file) & AnyExecute) != UnixFileMode.None);
    }
}
