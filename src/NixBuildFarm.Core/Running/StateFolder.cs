namespace NixBuildFarm.Running;

/// <summary>Where runs keep what outlasts them: <c>$XDG_STATE_HOME/nixbuildfarm</c>, private to the user.</summary>
public static class StateFolder
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The folder of this user; it may not exist yet.</summary>
    public static string Path
    {
        get
        {
            var state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
            // The XDG specification: a relative path is to be ignored.
            return System.IO.Path.Combine(
                System.IO.Path.IsPathRooted(state) ? state : System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state"),
                "nixbuildfarm");
        }
    }

    /// <summary>Makes a folder, and those above it that are missing, for this user's eyes only.</summary>
    public static string Create(string folder)
    {
        // .NET gives the mode to the last folder only.
        if (System.IO.Path.GetDirectoryName(folder) is { } parent && !Directory.Exists(parent)) Create(parent);
        return Directory.CreateDirectory(folder, Private).FullName;
    }
}
