using NixBuildFarm.Store;

namespace NixBuildFarm.Sharing;

/// <summary>
/// The folder of a compiler that holds <c>cc1</c>, and the folder that may be mounted in its place. The shadow derivation has looked at both
/// on a builder, and what it saw holds for good, since no store path changes.
/// </summary>
internal sealed class CompilerFolder
{
    private const string FolderFile = "folder";
    private const string ShadowFolder = "shadow";
    private const int LongestName = 255;

    private CompilerFolder(StorePath compiler, StorePath shadow, string name) => (Compiler, Path, Shadow) = (compiler, $"{compiler}/{name}", $"{shadow}/{ShadowFolder}");

    /// <summary>The store path that it is in.</summary>
    public StorePath Compiler { get; }

    /// <summary>The folder, as the build sees it.</summary>
    public string Path { get; }

    /// <summary>The folder that is mounted there.</summary>
    public string Shadow { get; }

    /// <summary>Where a compiler proper is.</summary>
    public string PathOf(CompilerTool tool) => $"{Path}/{NameOf(tool)}";

    /// <summary>Takes what the shadow derivation found.</summary>
    /// <param name="compiler">The compiler that it looked at.</param>
    /// <param name="shadow">The path of its output.</param>
    /// <param name="nar">That output, as the builder gives it.</param>
    /// <exception cref="OddFrameException">The output is not what the shadow derivation makes: nothing may be mounted.</exception>
    public static CompilerFolder Verified(StorePath compiler, StorePath shadow, NarTree nar)
    {
        if (nar.Find(ShadowFolder) is not NarTree.Folder folder
            || !Enum.GetValues<CompilerTool>().Any(tool => folder.Entries.ContainsKey(NameOf(tool))))
        {
            throw new OddFrameException($"{shadow} has no folder that stands in for that of a compiler");
        }
        if (nar.Find(FolderFile) is not NarTree.File { Content: var text }) throw new OddFrameException($"{shadow} does not say what it stands in for");
        var name = NixText.GetString(text.Span).TrimEnd('\n');
        if (name.Split('/') is not ["libexec", "gcc", var target, var version] || !IsPlain(target) || !IsPlain(version))
        {
            throw new OddFrameException($"“{NixText.Printable(name)}” is no folder of a compiler");
        }
        return new(compiler, shadow, name);
    }

    private static string NameOf(CompilerTool tool) => tool switch
    {
        CompilerTool.C => "cc1",
        _ => "cc1plus",
    };

    private static bool IsPlain(string name) => name is not ("" or "." or "..") && name.Length <= LongestName && SandboxMappings.IsPlain(name);
}

/// <summary>A compiler proper that a shim stands in for.</summary>
internal enum CompilerTool
{
    /// <summary><c>cc1</c></summary>
    C,

    /// <summary><c>cc1plus</c></summary>
    CPlusPlus,
}
