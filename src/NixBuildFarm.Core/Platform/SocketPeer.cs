using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace NixBuildFarm.Platform;

/// <summary>Who is at the other end of a Unix socket, as the kernel says.</summary>
/// <param name="Process">The process that connected.</param>
/// <param name="User">The user that it ran as then.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SocketPeer(int Process, uint User)
{
    private const int SocketLevel = 1; // SOL_SOCKET
    private const int PeerCredentials = 17; // SO_PEERCRED
    private const int SizeOfCredentials = 12; // pid, uid, gid

    /// <summary>Whether it is the user that this process runs as.</summary>
    public bool IsThisUser => User == FileStatus.User;

    /// <summary>Whether it is root, whom no permission keeps out.</summary>
    public bool IsRoot => User == 0;

    /// <summary>Asks the kernel.</summary>
    /// <exception cref="SocketException">It does not say: this is no Unix socket, or not Linux.</exception>
    public static SocketPeer Of(Socket socket)
    {
        var credentials = new byte[SizeOfCredentials];
        socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials);
        return new(BitConverter.ToInt32(credentials), BitConverter.ToUInt32(credentials, sizeof(int)));
    }
}
