using System.Runtime.InteropServices;
using System.Text;

namespace NixBuildFarm.Store;

/// <summary>
/// Tells pipes, sockets and devices from files. .NET has no question for it, and merely opening a pipe waits until somebody
/// writes to it. On systems without statx(2), i.e. other than Linux, everything counts as a file.
/// </summary>
internal static class SpecialFile
{
    // linux/stat.h: the layout is the same on every architecture, which that of stat(2) is not.
    private const int SizeOfStatx = 256;
    private const int OffsetOfMode = 28;
    private const int TypeMask = 0xF000;
    private const int RegularFile = 0x8000;
    private const int CurrentDirectory = -100; // AT_FDCWD
    private const int DoNotFollow = 0x100; // AT_SYMLINK_NOFOLLOW
    private const uint MaskType = 1; // STATX_TYPE

    public static bool IsSpecial(string path)
    {
        if (!OperatingSystem.IsLinux()) return false;
        var result = new byte[SizeOfStatx];
        if (Statx(CurrentDirectory, Encoding.UTF8.GetBytes(path + '\0'), DoNotFollow, MaskType, result) != 0) return false;
        var mode = BitConverter.ToUInt16(result, OffsetOfMode);
        return (mode & TypeMask) != RegularFile;
    }

    [DllImport("libc", EntryPoint = "statx")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Statx(int directory, byte[] path, int flags, uint mask, byte[] result);
}
