using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>
/// Two sockets that are connected to each other and to nothing else. They have no port and no name, so no other process can connect to
/// either of them [socketpair(2)].
/// </summary>
internal static class SocketPair
{
    private const int Unix = 1; // AF_UNIX
    private const int ByteStream = 1; // SOCK_STREAM
    private const int CloseOnExec = 0x80000; // SOCK_CLOEXEC, which macOS does not know
    private const nuint CloseOnExecOfMacOS = 0x20006601; // FIOCLEX

    /// <summary>Makes a pair.</summary>
    /// <exception cref="SocketException">The process may not open more files.</exception>
    public static (Socket One, Socket Other) Create()
    {
        var ends = new int[2];
        if (Connect(Unix, OperatingSystem.IsLinux() ? ByteStream | CloseOnExec : ByteStream, 0, ends) != 0)
        {
            throw new SocketException(Marshal.GetLastPInvokeError());
        }
        var (one, other) = (Take(ends[0]), Take(ends[1]));
        try
        {
            return (new Socket(one), new Socket(other));
        }
        catch
        {
            one.Dispose();
            other.Dispose();
            throw;
        }
    }

    private static SafeSocketHandle Take(int end)
    {
        // A program that we start must not inherit it: the connection would stay open as long as that program runs.
        if (!OperatingSystem.IsLinux()) _ = Control(end, CloseOnExecOfMacOS);
        return new SafeSocketHandle(end, ownsHandle: true);
    }

    [DllImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Connect(int domain, int type, int protocol, [Out] int[] ends);

    [DllImport("libc", EntryPoint = "ioctl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Control(int file, nuint request);
}
