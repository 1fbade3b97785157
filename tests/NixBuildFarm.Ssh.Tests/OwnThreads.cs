namespace NixBuildFarm.Ssh.Tests;

/// <summary>The threads of this process that the transport has started, by the name that the kernel knows.</summary>
internal static class OwnThreads
{
    public static int Count => Directory.EnumerateDirectories("/proc/self/task").Count(IsOwn);

    private static bool IsOwn(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).StartsWith("NixBuildFarm SS", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // it has ended
        }
    }
}
