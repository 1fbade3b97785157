using System.Buffers.Binary;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace NixBuildFarm.Module.Tests.Surface;

/// <summary>
/// A package's assembly under another version, with what it needs beside it. Only the number differs, which is what the
/// loader goes by: so no second version has to be fetched, and there may also be one that is newer than ours.
/// </summary>
internal static class PackageCopy
{
    /// <summary>Makes the copy in a folder, and returns its path.</summary>
    public static string WithVersion(string assembly, Version version, string folder)
    {
        foreach (
            var neighbour in Directory.GetFiles(Path.GetDirectoryName(assembly)!, "*.dll")
                .Where(file => !Path.GetFileName(file).StartsWith("NixBuildFarm.", StringComparison.Ordinal)))
        {
            File.Copy(neighbour, Path.Combine(folder, Path.GetFileName(neighbour)));
        }
        var copy = Path.Combine(folder, Path.GetFileName(assembly));
        var bytes = File.ReadAllBytes(assembly);
        int[] numbers = [version.Major, version.Minor, version.Build, version.Revision];
        var position = VersionOffset(bytes);
        for (var i = 0; i < numbers.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(position + (2 * i)), (ushort)numbers[i]);
        }
        File.WriteAllBytes(copy, bytes);
        return copy;
    }

    // ECMA-335, II.22.2: the only row of the table Assembly begins with the hash algorithm, four bytes, and the version.
    private static int VersionOffset(byte[] bytes)
    {
        using var file = new PEReader(new MemoryStream(bytes));
        return file.PEHeaders.MetadataStartOffset + file.GetMetadataReader().GetTableMetadataOffset(TableIndex.Assembly) + sizeof(uint);
    }
}
