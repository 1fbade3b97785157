using System.Text.RegularExpressions;
using NixBuildFarm.Text;

namespace NixBuildFarm.FollowUp;

/// <summary>The directory of a failed build, which its builder has kept.</summary>
/// <param name="There">Where it is on the builder.</param>
/// <param name="Here">Where it is on this machine; null: it is not.</param>
internal sealed partial record KeptFolder(string There, string? Here)
{
    /// <summary>Why it was not brought here; null: it was.</summary>
    public string? Problem { get; init; }

    // As the daemon words it. [src/libstore of NixOS/nix, where a build's folder is deleted]
    private const string Announcement = "keeping build directory";

    /// <summary>Whether a message of a daemon says that a directory is kept, and what it says from there on.</summary>
    public static string? AnnouncedIn(string message)
    {
        var at = message.IndexOf(Announcement, StringComparison.Ordinal);
        return at < 0 ? null : message[at..].TrimEnd();
    }

    /// <summary>
    /// The directory in such a message. A build may imitate the message, so only what looks like the directory of a build is one; null:
    /// it does not.
    /// </summary>
    public static string? PathIn(string message)
    {
        if (AnnouncedIn(message) is not { } announced) return null;
        var path = TerminalText.Strip(announced)[Announcement.Length..].Trim().Trim('\'', '"', '“', '”', '‘', '’', '.');
        return DirectoryOfBuild().IsMatch(path) && !path.Split('/').Contains("..") ? path : null;
    }

    // Up to Nix 2.31 it has the name of the derivation, and from 2.32 on that of the process. The build itself may be in a folder of it.
    [GeneratedRegex(
        @"^/[A-Za-z0-9+._?=/-]*/(nix-build-[A-Za-z0-9+._?=-]+\.drv-[0-9]+|nix-[0-9]+-[0-9]+)(/build|/top)?\z",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex DirectoryOfBuild();
}
