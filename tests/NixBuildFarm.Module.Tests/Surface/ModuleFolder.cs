using System.Collections;
using System.Management.Automation.Language;
using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests.Surface;

/// <summary>The module as the build has laid it out, and as its manifest describes it.</summary>
internal static class ModuleFolder
{
    private static readonly Hashtable Manifest = ReadManifest();

    public static string Path { get; } = System.IO.Path.GetDirectoryName(RecordingSession.ModuleManifest)!;

    public static string RootModule => (string)Manifest["RootModule"]!;

    public static string Version => (string)Manifest["ModuleVersion"]!;

    public static IReadOnlyList<string> Cmdlets => Strings("CmdletsToExport");

    public static IReadOnlyList<string> FormatFiles => Strings("FormatsToProcess");

    public static IReadOnlyList<string> TypeFiles => Strings("TypesToProcess");

    /// <summary>For theories over all cmdlets.</summary>
    public static TheoryData<string> EachCmdlet => [.. Cmdlets];

    public static IReadOnlyList<string> Strings(string key) => [.. ((IEnumerable)Manifest[key]!).Cast<string>()];

    public static string FileOf(params string[] names) => System.IO.Path.Combine([Path, .. names]);

    private static Hashtable ReadManifest()
    {
        var script = Parser.ParseFile(RecordingSession.ModuleManifest, out _, out var errors);
        Assert.Empty(errors);
        return (Hashtable)script.Find(ast => ast is HashtableAst, searchNestedScriptBlocks: false)!.SafeGetValue();
    }
}
