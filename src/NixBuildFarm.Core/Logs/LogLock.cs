namespace NixBuildFarm.Logs;

/// <summary>
/// A follower of a log checks now and then whether the build still has it open, by opening it exclusively for a moment. A build that opens
/// the log at that moment finds it locked, and tries again.
/// </summary>
internal static class LogLock
{
    /// <summary>How often it is tried again.</summary>
    public const int Attempts = 50;

    /// <summary>The pause between two tries.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
}
