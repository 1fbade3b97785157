using System.Runtime.InteropServices;
using System.Text;

namespace NixBuildFarm.Platform;

/// <summary>
/// What .NET does not tell of files: whose one is, and whether it is a file at all; merely opening a pipe waits until somebody writes to it.
/// On systems without statx(2), i.e. other than Linux, everything counts as a file, and nobody is known to own it.
/// </summary>
internal static class FileStatus
{
    // linux/stat.h: the layout is the same on every architecture, which that of stat(2) is not.
    private const int SizeOfStatx = 256;
    private const int OffsetOfOwner = 20;
    private const int OffsetOfMode = 28;
    private const int TypeMask = 0xF000;
    private const int RegularFile = 0x8000;
    private const int CurrentDirectory = -100; // AT_FDCWD
    private const int DoNotFollow = 0x100; // AT_SYMLINK_NOFOLLOW
    private const uint MaskType = 1; // STATX_TYPE
    private const uint MaskOwner = 8; // STATX_UID

    /// <summary>The user that this process runs as.</summary>
    public static uint User => OperatingSystem.IsWindows() ? 0 : EffectiveUser();

    /// <summary>Whether it is a pipe, a socket or a device.</summary>
    public static bool IsSpecial(string path) => Ask(path, DoNotFollow, MaskType) is { } status && (BitConverter.ToUInt16(status, OffsetOfMode) & TypeMask) != RegularFile;

    /// <summary>Who owns a file or folder, or what a link leads to; null where that cannot be told.</summary>
    public static uint? OwnerOf(string path) => Ask(path, 0, MaskOwner) is { } status ? BitConverter.ToUInt32(status, OffsetOfOwner) : null;

    private static byte[]? Ask(string path, int flags, uint mask)
    {
        if (!OperatingSystem.IsLinux()) return null;
        var result = new byte[SizeOfStatx];
        return Statx(CurrentDirectory, Encoding.UTF8.GetBytes(path + '\0'), flags, mask, result) == 0 ? result : null;
    }

    [DllImport("libc", EntryPoint = "statx")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Statx(int directory, byte[] path, int flags, uint mask, byte[] result);

    [DllImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern uint EffectiveUser();
}
