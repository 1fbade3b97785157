namespace NixBuildFarm.Platform;

/// <summary>Where the Nix daemon of this machine listens.</summary>
internal static class DaemonSocket
{
    private const string Default = "/nix/var/nix/daemon-socket/socket";

    /// <summary>The daemon's socket: <c>NIX_DAEMON_SOCKET_PATH</c>, a <c>unix://</c> of <c>NIX_REMOTE</c>, or Nix's default.</summary>
    public static string Path =>
        Environment.GetEnvironmentVariable("NIX_DAEMON_SOCKET_PATH") is { Length: > 0 } configured ? configured
        : Environment.GetEnvironmentVariable("NIX_REMOTE") is { } remote
            && remote.StartsWith("unix://", StringComparison.Ordinal) ? remote["unix://".Length..]
        : Default;
}
