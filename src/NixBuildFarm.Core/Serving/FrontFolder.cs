using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Serving;

/// <summary>The folder of a front, which is its user's alone: the socket, and beside it a file that names the local daemon's.</summary>
internal sealed class FrontFolder(string path)
{
    /// <summary>The folder.</summary>
    public string Path => path;

    /// <summary>The socket that clients connect to.</summary>
    public string Socket { get; } = System.IO.Path.Combine(path, DaemonSocket.FrontSocket);

    private string Daemon { get; } = System.IO.Path.Combine(path, DaemonSocket.FrontDaemon);

    /// <summary>A new folder for a front that lasts as long as this process.</summary>
    public static FrontFolder Temporary() =>
        new(System.IO.Path.Combine(RuntimeFolder.Path, $"{Environment.ProcessId}-{Guid.NewGuid():N}"[..20]));

    /// <summary>Makes the folder, for this user alone, with what clients find there.</summary>
    /// <exception cref="NixBuildFarmException">It cannot be made, or others may write to it.</exception>
    public void Prepare(string daemonSocket)
    {
        RuntimeFolder.Create(path);
        File.Delete(Socket);
        File.WriteAllText(Daemon, daemonSocket);
    }

    /// <summary>Takes it away.</summary>
    public void Remove()
    {
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It lies in a folder that is emptied at the next start of the machine.
        }
    }
}
