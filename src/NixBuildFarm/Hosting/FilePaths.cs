using System.Management.Automation;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Hosting;

/// <summary>Paths as the user of PowerShell means them: relative to the session's location, <c>~</c>, drives.</summary>
internal static class FilePaths
{
    /// <summary>The path for the file system. What is not there yet is fine; what is on no file system ends the cmdlet.</summary>
    public static string FileOf(this PSCmdlet cmdlet, string path)
    {
        var file = cmdlet.SessionState.Path.GetUnresolvedProviderPathFromPSPath(path, out var provider, out _);
        if (provider.Name != "FileSystem")
        {
            cmdlet.ThrowTerminatingError(new NixBuildFarmException("NotAFile", $"“{path}” is on no file system.", "Name a file.").ToErrorRecord(path));
        }
        return file;
    }
}
