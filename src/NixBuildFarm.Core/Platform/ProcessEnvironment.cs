using System.Text;

namespace NixBuildFarm.Platform;

/// <summary>The environment variables that another process was started with.</summary>
internal static class ProcessEnvironment
{
    /// <summary>
    /// Reads them; none where this process may not: that of another user, or one that has ended. [proc_pid_environ(5)]
    /// </summary>
    /// <param name="process">The id of the process.</param>
    public static IReadOnlyDictionary<string, string> Of(int process)
    {
        var variables = new Dictionary<string, string>();
        if (process <= 0) return variables;
        try
        {
            foreach (var line in Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{process}/environ")).Split('\0'))
            {
                if (line.IndexOf('=', StringComparison.Ordinal) is > 0 and var end) variables[line[..end]] = line[(end + 1)..];
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It says nothing then.
        }
        return variables;
    }
}
