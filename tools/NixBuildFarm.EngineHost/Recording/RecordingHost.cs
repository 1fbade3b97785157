using System.Management.Automation.Host;

namespace NixBuildFarm.EngineHost.Recording;

/// <summary>A host for tests: it keeps what a person would see, and answers as the test says.</summary>
public sealed class RecordingHost : HostWithInterface
{
    public RecordingHost() => UI = Screen;

    /// <summary>What a person sees and answers.</summary>
    public RecordingUserInterface Screen { get; } = new();

    public override PSHostUserInterface UI { get; }
}
