using System.Management.Automation.Host;

namespace NixBuildFarm.EngineHost.Console;

/// <summary>The host of the program: standard streams, with colour and a status line where they are a terminal.</summary>
internal sealed class TerminalHost : HostWithInterface
{
    private readonly TerminalUserInterface terminal = new();

    public override PSHostUserInterface UI => terminal;

    /// <summary>Takes progress away that nobody has completed.</summary>
    public void ClearProgress() => terminal.ClearProgress();
}
