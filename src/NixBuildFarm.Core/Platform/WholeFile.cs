using System.Security.Cryptography;

namespace NixBuildFarm.Platform;

/// <summary>Replaces files as a whole: a reader sees the old contents or the new ones, never a part.</summary>
public static class WholeFile
{
    /// <summary>Replaces a file. A link stays a link, and its target is replaced: managers of dot files make such links.</summary>
    /// <param name="path">The file; it need not exist.</param>
    /// <param name="bytes">The new contents.</param>
    /// <param name="mode">The file mode.</param>
    /// <exception cref="IOException">It cannot be written; it is as it was.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be written; it is as it was.</exception>
    public static void Replace(string path, ReadOnlySpan<byte> bytes, UnixFileMode mode)
    {
        var file = new FileInfo(path);
        var target = file.LinkTarget is null ? path : file.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
        var temporary = $"{target}.{RandomNumberGenerator.GetHexString(8)}";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = mode };
        try
        {
            using (var stream = new FileStream(temporary, options))
            {
                stream.Write(bytes);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
