using System.Management.Automation;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Hosting;

/// <summary>Paths as the user of PowerShell means them: relative to the session's location, <c>~</c>, drives.</summary>
internal static class FilePaths
{
    // A completer has no session state of its own.
    private static readonly ScriptBlock InSession =
        ScriptBlock.Create("$ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($args[0])");

    /// <summary>The path in the file system. It need not exist; a path on another provider ends the cmdlet.</summary>
    public static string FileOf(this PSCmdlet cmdlet, string path)
    {
        var file = cmdlet.SessionState.Path.GetUnresolvedProviderPathFromPSPath(path, out var provider, out _);
        if (provider.Name != "FileSystem")
        {
            cmdlet.ThrowTerminatingError(
                new NixBuildFarmException("NotAFile", $"“{path}” is on no file system.", "Name a path of a file system.")
                    .ToErrorRecord(path));
        }
        return file;
    }

    /// <summary>The same for a completer, of a parameter as it was typed; null: it is not given, or no text.</summary>
    /// <exception cref="RuntimeException">There is no such drive.</exception>
    public static string? FileOf(object? parameter) => parameter is string path ? InSession.InvokeReturnAsIs(path)?.ToString() : null;
}
