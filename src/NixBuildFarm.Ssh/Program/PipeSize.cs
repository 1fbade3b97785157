using System.IO.Pipes;
using System.Runtime.InteropServices;

namespace NixBuildFarm.Ssh.Program;

/// <summary>
/// The capacity of a pipe to another program. Linux's default is 64 KiB, so that the faster side waits for the other all the time.
/// </summary>
internal static class PipeSize
{
    private const int Bytes = 1 << 20; // The most that anybody may have [pipe(7), /proc/sys/fs/pipe-max-size].
    private const int SetPipeSize = 1031; // F_SETPIPE_SZ [fcntl(2)]

    /// <summary>Makes a pipe hold more, where the system lets us; else it stays as it is.</summary>
    public static void Enlarge(Stream pipe)
    {
        if (OperatingSystem.IsLinux() && pipe is PipeStream { SafePipeHandle: var handle }) _ = Control(handle, SetPipeSize, Bytes);
    }

    [DllImport("libc", EntryPoint = "fcntl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Control(SafeHandle pipe, int command, int argument);
}
