using System.Runtime.InteropServices;
using System.Text;

namespace NixBuildFarm.Platform;

/// <summary>The owner of a file, which .NET does not tell. Unknown on systems without statx(2), i.e. other than Linux.</summary>
internal static class FileStatus
{
    // linux/stat.h: the layout is the same on every architecture, which that of stat(2) is not.
    private const int SizeOfStatx = 256;
    private const int OffsetOfOwner = 20;
    private const int CurrentDirectory = -100; // AT_FDCWD
    private const uint MaskOwner = 8; // STATX_UID

    /// <summary>The user that this process runs as.</summary>
    public static uint User => OperatingSystem.IsWindows() ? 0 : EffectiveUser();

    /// <summary>The owner of a file or folder, or of a link's target; null where it is unknown.</summary>
    public static uint? OwnerOf(string path) => Ask(path) is { } status ? BitConverter.ToUInt32(status, OffsetOfOwner) : null;

    private static byte[]? Ask(string path)
    {
        if (!OperatingSystem.IsLinux()) return null;
        var result = new byte[SizeOfStatx];
        return Statx(CurrentDirectory, Encoding.UTF8.GetBytes(path + '\0'), 0, MaskOwner, result) == 0 ? result : null;
    }

    [DllImport("libc", EntryPoint = "statx")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Statx(int directory, byte[] path, int flags, uint mask, byte[] result);

    [DllImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern uint EffectiveUser();
}
