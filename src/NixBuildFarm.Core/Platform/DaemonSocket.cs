namespace NixBuildFarm.Platform;

/// <summary>Where the Nix daemon of this machine listens.</summary>
internal static class DaemonSocket
{
    /// <summary>The socket in the folder of a front of ours.</summary>
    public const string FrontSocket = "socket";

    /// <summary>The file beside it that names the socket of the daemon behind the front.</summary>
    public const string FrontDaemon = "daemon";

    /// <summary>The variable that tells Nix which daemon to use.</summary>
    public const string Variable = "NIX_REMOTE";

    private const string Default = "/nix/var/nix/daemon-socket/socket";
    private const string Unix = "unix://";

    /// <summary>
    /// The daemon's socket: <c>NIX_DAEMON_SOCKET_PATH</c>, a <c>unix://</c> of <c>NIX_REMOTE</c>, or Nix's default. Where that is a front
    /// of ours, it is the daemon behind it: the front would hand its own builds to itself.
    /// </summary>
    public static string Path =>
        Environment.GetEnvironmentVariable("NIX_DAEMON_SOCKET_PATH") is { Length: > 0 } configured ? configured
        : Remote is not { } socket ? Default
        : BehindFront(socket) ?? socket;

    /// <summary>Whether <c>NIX_REMOTE</c> is a front of ours.</summary>
    public static bool IsFront => Remote is { } socket && BehindFront(socket) is not null;

    private static string? Remote =>
        Environment.GetEnvironmentVariable(Variable) is { } remote && remote.StartsWith(Unix, StringComparison.Ordinal)
            ? remote[Unix.Length..]
            : null;

    private static string? BehindFront(string socket)
    {
        if (System.IO.Path.GetFileName(socket) != FrontSocket || System.IO.Path.GetDirectoryName(socket) is not { } folder) return null;
        try
        {
            return File.ReadAllText(System.IO.Path.Combine(folder, FrontDaemon));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
