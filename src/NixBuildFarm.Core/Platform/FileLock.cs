namespace NixBuildFarm.Platform;

/// <summary>
/// A lock on a file says that its owner goes on: it goes with the process, however that ends. Who looks locks the file for a moment. An
/// owner that opens it at that moment finds it locked, and tries again.
/// </summary>
public static class FileLock
{
    /// <summary>How often it is tried again.</summary>
    public const int Attempts = 50;

    /// <summary>The pause between two tries.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    /// <summary>Whether somebody has the file for himself. Those who look share it among themselves.</summary>
    public static bool IsHeld(string file)
    {
        if (!File.Exists(file)) return false;
        try
        {
            using var shared = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read);
            return false;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
