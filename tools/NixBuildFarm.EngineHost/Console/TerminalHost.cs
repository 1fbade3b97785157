using System.Management.Automation.Host;

namespace NixBuildFarm.EngineHost.Console;

/// <summary>The host of the program: standard streams, with colour and a status line where they are a terminal.</summary>
internal sealed class TerminalHost : HostWithInterface
{
    public override PSHostUserInterface UI { get; } = new TerminalUserInterface();
}
