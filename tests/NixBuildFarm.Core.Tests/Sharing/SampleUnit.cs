using System.Security.Cryptography;
using System.Text;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Sharing;

/// <summary>A unit as a shim describes it, and a compiler.</summary>
internal static class SampleUnit
{
    public static readonly StorePath Compiler = Path("gcc-12.2.0");

    public static readonly StorePath Wrapper = Path("gcc-wrapper-12.2.0");

    public static readonly StorePath Libc = Path("glibc-2.36-dev");

    public static readonly byte[] Main = "int main(void) { return LIMIT; }\n"u8.ToArray();

    public static readonly byte[] Header = "#define LIMIT 3\n"u8.ToArray();

    public const string Folder = "/build/lua-5.4.4";

    public static StorePath Path(string name) => StorePath.Of("output:out", new(SHA256.HashData(Encoding.UTF8.GetBytes(name))), name);

    public static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>The description; what differs from the usual is given.</summary>
    public static byte[] Description(
        string tool = "cc1", string folder = Folder, IReadOnlyList<string>? arguments = null, uint output = 3,
            IReadOnlyList<string>? headers = null, IReadOnlyList<(string Name, ulong Size, byte[] Content)>? files = null,
                uint count = uint.MaxValue)
    {
        var writer = new FieldWriter();
        writer.Text(Bytes($"{Compiler}/libexec/gcc/x86_64-linux-gnu/12/{tool}")).Text(Bytes(folder)).Hash(
            new(SHA256.HashData("scanned"u8))).UInt32(0)
            .List(["LC_ALL=C"], text => writer.Text(Bytes(text)))
            .List(arguments ?? ["-quiet", "main.c", "-o", ""], text => writer.Text(Bytes(text)))
            .UInt32(output)
            .List(headers ?? [Libc.ToString()], text => writer.Text(Bytes(text)));
        files ??= [("main.c", (ulong)Main.Length, Main), ("../limits.h", (ulong)Header.Length, Header)];
        writer.UInt32(count == uint.MaxValue ? (uint)files.Count : count);
        foreach (var (name, size, content) in files) writer.Text(Bytes(name)).UInt64(size).Hash(
            new(SHA256.HashData(content))).UInt32(0).UInt64(0);
        return writer.ToArray();
    }

    public static SharedToolchain Toolchain() =>
        new("x86_64-linux", Path("nixbuildfarm-shim"), Path("nixbuildfarm-shadow"), VerifiedFolder());

    public static CompilerFolder VerifiedFolder(string name = "libexec/gcc/x86_64-linux-gnu/12\n") =>
        CompilerFolder.Verified(Compiler, Path("nixbuildfarm-shadow"), Shadow(name));

    public static NarTree.Folder Shadow(string folder) => new(new Dictionary<string, NarTree>
    {
        ["folder"] = new NarTree.File(Bytes(folder)),
        ["shadow"] = new NarTree.Folder(new Dictionary<string, NarTree> { ["cc1"] = new NarTree.Link("/shim") }),
    });
}
