using System.Text.Json;
using System.Text.RegularExpressions;

namespace NixBuildFarm.Module.Tests.Surface;

/// <summary>What lies in deps/, which the module loads for itself alone.</summary>
public class DependencyFolderTests
{
    private static readonly string Folder = ModuleFolder.FileOf("deps");

    [Fact]
    public void It_has_exactly_the_assemblies_that_its_projects_need()
    {
        var needed = Directory.GetFiles(Folder, "*.deps.json")
            .SelectMany(RuntimeFiles)
            .Where(file => file != "NixBuildFarm.Core.dll")
            .Distinct();
        var there = Directory.GetFiles(Folder, "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Folder, file))
            .Where(IsLoaded);

        Assert.Equal(needed.Order(), there.Order());
    }

    [Fact]
    public void It_has_nothing_that_nobody_loads() =>
        Assert.DoesNotContain(
            Directory.GetFiles(Folder, "*", SearchOption.AllDirectories),
            file => !IsLoaded(file) && !file.EndsWith(".deps.json", StringComparison.Ordinal) && Path.GetExtension(file) != ".pdb");

    [Fact]
    public void Core_and_cmdlets_are_in_the_module_once_and_PowerShell_not_at_all()
    {
        var assemblies = Directory.GetFiles(ModuleFolder.Path, "*.dll", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(ModuleFolder.Path, file))
            .ToArray();

        Assert.Equal(["NixBuildFarm.Core.dll", "NixBuildFarm.dll"], assemblies.Where(file => !file.Contains('/')).Order());
        Assert.DoesNotContain(
            assemblies, file => file.Contains('/') && Path.GetFileName(file) is ("NixBuildFarm.Core.dll" or "NixBuildFarm.dll"));
        Assert.DoesNotContain(
            assemblies, file => Path.GetFileName(file).StartsWith("System.Management.Automation", StringComparison.Ordinal));
    }

    // Nix is for Linux and macOS, and PowerShell for these processors.
    private static bool IsForOurMachines(string path) =>
        Regex.IsMatch(
            path,
            "^runtimes/(linux|linux-musl|osx)-(x64|arm64|arm|riscv64|ppc64le|s390x)/",
            RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture);

    private static bool IsLoaded(string file) => Path.GetExtension(file) is ".dll" or ".so" or ".dylib";

    // What is listed in a deps.json under targets: assemblies at the top, those of one platform under runtimes/.
    private static IEnumerable<string> RuntimeFiles(string file)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(file));
        var libraries = json.RootElement.GetProperty("targets")
            .EnumerateObject()
            .SelectMany(target => target.Value.EnumerateObject())
            .ToArray();
        return
        [
            .. libraries.SelectMany(library => Files(library.Value, "runtime")).Select(path => Path.GetFileName(path)),
            .. libraries.SelectMany(library => Files(library.Value, "runtimeTargets"))
                .Where(path => IsLoaded(path) && IsForOurMachines(path)),
        ];
    }

    private static IEnumerable<string> Files(JsonElement library, string kind) =>
        library.TryGetProperty(kind, out var files) ? files.EnumerateObject().Select(file => file.Name) : [];
}
