namespace NixBuildFarm.Logs;

/// <summary>
/// Who follows a log asks now and then whether its build still has it open, and has it alone for that moment. Whoever opens it then is told
/// that it is locked, and tries again.
/// </summary>
internal static class LogLock
{
    /// <summary>How often it is tried again.</summary>
    public const int Attempts = 50;

    /// <summary>The pause between two tries.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
}
