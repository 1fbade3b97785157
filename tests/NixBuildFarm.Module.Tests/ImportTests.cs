using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests;

public class ImportTests
{
    [Fact]
    public void The_module_is_imported_from_the_manifest_that_the_build_laid_out()
    {
        using var session = RecordingSession.WithModule();

        var module = Assert.Single(session.Run("Get-Module NixBuildFarm | ForEach-Object Path").OutputAs<string>());

        Assert.StartsWith(Path.GetDirectoryName(RecordingSession.ModuleManifest)!, module);
    }
}
