using NixBuildFarm.Errors;

namespace NixBuildFarm.Platform;

/// <summary>Where runs keep what outlasts them: <c>$XDG_STATE_HOME/nixbuildfarm</c>, private to the user.</summary>
public static class StateFolder
{
    /// <summary>The environment variable that says where it is.</summary>
    public const string Variable = "XDG_STATE_HOME";

    private const uint Root = 0;
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The folder of this user; it may not exist yet.</summary>
    /// <exception cref="NixBuildFarmException">The user has no home folder.</exception>
    public static string Path => UserFolder.Find(Variable, ".local/state");

    /// <summary>Makes a folder, and those above it that are missing, for this user's eyes only.</summary>
    /// <exception cref="NixBuildFarmException">It lies in the state folder, and others may write there.</exception>
    public static string Create(string folder)
    {
        // .NET gives the mode to the last folder only.
        if (System.IO.Path.GetDirectoryName(folder) is { } parent && !Directory.Exists(parent)) Create(parent);
        var made = Directory.CreateDirectory(folder, Private).FullName;
        // A folder that the user has named for logs is the user's own affair.
        for (var own = made; own is not null && IsWithin(Path, own); own = System.IO.Path.GetDirectoryName(own)) RequireOwn(own, Variable);
        return made;
    }

    /// <summary>
    /// Refuses a folder of ours that others may change: what is kept there decides what is built where, and is shown and deleted later. It
    /// is to belong to this user or to root, and not everybody may write to it. A folder that does not exist is nobody's.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="variable">The environment variable that says where it is.</param>
    /// <exception cref="NixBuildFarmException">It belongs to somebody else, or everybody may write to it.</exception>
    public static void RequireOwn(string folder, string variable)
    {
        if (OperatingSystem.IsWindows() || !Directory.Exists(folder)) return;
        var user = FileStatus.User;
        if (FileStatus.OwnerOf(folder) is { } owner && owner != user && owner != Root)
        {
            throw Unsafe(
                $"{folder} belongs to the user with the id {owner}, and not to this one, whose id is {user}.",
                $"Set {variable} to a folder of your own, or have it given to you: chown -R {user} '{folder}'");
        }
        if (File.GetUnixFileMode(folder).HasFlag(UnixFileMode.OtherWrite))
        {
            throw Unsafe(
                $"Everybody may write to {folder}.",
                $"Look whether what is in it is yours, then: chmod go-w '{folder}'; or set {variable} to a folder of your own.");
        }
    }

    private static NixBuildFarmException Unsafe(string why, string recommendation) =>
        new("UnsafeFolder", $"{why} What is kept there could be changed by others, and so is not used.", recommendation);

    private static bool IsWithin(string root, string folder) =>
        folder == root || folder.StartsWith(root + System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal);
}
