using NixBuildFarm.Errors;

namespace NixBuildFarm.Platform;

/// <summary>The folder for the state of earlier runs: <c>$XDG_STATE_HOME/nixbuildfarm</c>, private to the user.</summary>
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
    /// Refuses a folder of NixBuildFarm that others may change, since its contents decide where derivations are built, and are shown and
    /// deleted later. It has to belong to this user or to root, and must not be writable for everybody. A missing folder is accepted.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="variable">The environment variable that says where it is.</param>
    /// <exception cref="NixBuildFarmException">It belongs to another user, or everybody may write to it.</exception>
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
                $"Check that its contents are yours, then: chmod go-w '{folder}'; or set {variable} to a folder of your own.");
        }
    }

    private static NixBuildFarmException Unsafe(string why, string recommendation) =>
        new("UnsafeFolder", $"{why} Others could change its contents, so it is not used.", recommendation);

    private static bool IsWithin(string root, string folder) =>
        folder == root || folder.StartsWith(root + System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal);
}
