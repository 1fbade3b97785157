using System.Management.Automation;
using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests.Surface;

public sealed class ImportTests : IDisposable
{
    private readonly ModuleSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void The_module_is_imported_from_the_manifest_that_the_build_laid_out()
    {
        var module = Assert.Single(session.Run("Get-Module NixBuildFarm | ForEach-Object Path").OutputAs<string>());

        Assert.StartsWith(ModuleFolder.Path, module);
    }

    [Fact]
    public void Importing_once_more_by_force_keeps_the_cmdlets()
    {
        session.Run("Import-Module $args[0] -Force; Import-Module $args[0] -Force", RecordingSession.ModuleManifest);

        AssertCmdletsWork();
    }

    [Fact]
    public void A_removed_module_can_be_imported_again()
    {
        session.Run("Remove-Module NixBuildFarm");
        Assert.Empty(session.Run("Get-Command -Name *-NixBuilder*").Output);

        session.Run("Import-Module $args[0]", RecordingSession.ModuleManifest);

        AssertCmdletsWork();
    }

    [Fact]
    public void Only_the_cmdlets_come_into_the_session()
    {
        using var plain = new RecordingSession();

        foreach (var drive in (string[])["function:", "alias:", "variable:"])
        {
            const string Names =
                "$ExecutionContext.SessionState.InvokeProvider.ChildItem.GetNames($args[0], 'ReturnAllContainers', $false)";
            Assert.Equal(plain.Run(Names, drive).OutputAs<string>().Order(), session.Run(Names, drive).OutputAs<string>().Order());
        }
    }

    private void AssertCmdletsWork()
    {
        Assert.Equal(
            ModuleFolder.Cmdlets.Order(),
            session.Run("Get-Command -Module NixBuildFarm").OutputAs<CommandInfo>().Select(c => c.Name).Order());
        Assert.Empty(session.Run("Get-NixBuilderPolicy -Name nobody -Scope Session").Output);
    }
}
