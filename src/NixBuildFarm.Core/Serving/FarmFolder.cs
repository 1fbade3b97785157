using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Serving;

/// <summary>
/// The folder of a farm that serves, which is its user's alone: its sockets, the file that names the local daemon's socket, and the log. A
/// lock, which goes with the process however that ends, says whether it serves.
/// </summary>
public sealed class FarmFolder : IDisposable
{
    private const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Passable =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private FileStream? held;

    /// <summary>Names the folder of a farm.</summary>
    /// <exception cref="NixBuildFarmException">No farm can have this name.</exception>
    public FarmFolder(string name)
    {
        if (!IsName(name))
        {
            throw new NixBuildFarmException(
                "InvalidFarmName", $"“{name}” is no name for a farm.", "Use up to 40 letters, digits, -, _ and .; not . first.");
        }
        Name = name;
        Path = System.IO.Path.Combine(RuntimeFolder.Path, name);
    }

    /// <summary>The farm's name.</summary>
    public string Name { get; }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>The socket that Nix clients connect to.</summary>
    public string Socket => In(DaemonSocket.FrontSocket);

    /// <summary>The socket that our own cmdlets connect to.</summary>
    public string Control => In("control");

    /// <summary>What the farm says while nobody watches.</summary>
    public string Log => In("log");

    /// <summary>How the farm was started: its builders and choices.</summary>
    public string Settings => In("settings.clixml");

    /// <summary>Whether a process serves here.</summary>
    public bool IsServed => FileLock.IsHeld(In("lock"));

    /// <summary>The farms of this user that there is a folder of, by name.</summary>
    public static IReadOnlyList<FarmFolder> All() => [.. NamesIn(RuntimeFolder.Path).Select(name => new FarmFolder(name))];

    /// <summary>The folders in a folder that can be those of farms, by name; others are left alone.</summary>
    internal static IReadOnlyList<string> NamesIn(string folder) => !Directory.Exists(folder)
        ? []
        : [.. Directory.GetDirectories(folder).Select(path => System.IO.Path.GetFileName(path)).Where(IsName).Order(StringComparer.Ordinal)];

    /// <summary>Makes the folder.</summary>
    /// <exception cref="NixBuildFarmException">It cannot be made, or others may write there.</exception>
    public void Create() => RuntimeFolder.Create(Path);

    /// <summary>Takes the folder for this process, and makes it ready for clients.</summary>
    /// <param name="hasGuests">Whether other users may come in; what they cannot open they still cannot see.</param>
    /// <exception cref="NixBuildFarmException">Another process serves there, or it cannot be made.</exception>
    public void Hold(bool hasGuests)
    {
        Create();
        held = Lock();
        if (hasGuests)
        {
            File.SetUnixFileMode(RuntimeFolder.Path, Passable);
            File.SetUnixFileMode(Path, Passable);
        }
        // What a process has left that was killed.
        File.Delete(Socket);
        File.Delete(Control);
        File.WriteAllText(In(DaemonSocket.FrontDaemon), DaemonSocket.Path);
    }

    /// <summary>Nobody serves here any more; the log stays, and the file of the lock, which another process may have opened.</summary>
    public void Dispose()
    {
        if (held is null) return;
        foreach (var file in (string[])[Socket, Control, In(DaemonSocket.FrontDaemon)]) File.Delete(file);
        held.Dispose();
        held = null;
    }

    /// <summary>Takes the folder away as well.</summary>
    public void Remove()
    {
        Dispose();
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It lies in a folder that is emptied at the next start of the machine.
        }
    }

    private FileStream Lock()
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            UnixCreateMode = Own,
        };
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return new FileStream(In("lock"), options);
            }
            catch (IOException) when (attempt < FileLock.Attempts)
            {
                Thread.Sleep(FileLock.Pause);
            }
            catch (IOException e)
            {
                throw new NixBuildFarmException(
                    "FarmRuns",
                    $"The farm {Name} runs already.",
                    $"Get-NixBuildFarm {Name} shows it, and Stop-NixBuildFarm {Name} ends it.",
                    e);
            }
        }
    }

    private static bool IsName(string name) =>
        name.Length is > 0 and <= 40 && name[0] != '.' && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    private string In(string file) => System.IO.Path.Combine(Path, file);
}
