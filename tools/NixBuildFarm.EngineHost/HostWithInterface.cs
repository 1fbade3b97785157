using System.Globalization;
using System.Management.Automation.Host;

namespace NixBuildFarm.EngineHost;

/// <summary>What the hosts here have in common: everything but the user interface.</summary>
public abstract class HostWithInterface : PSHost
{
    /// <summary>What <c>exit</c> was given; null: the script has not called it.</summary>
    public int? ExitCode { get; private set; }

    public override string Name => "NixBuildFarm.EngineHost";

    public override Version Version { get; } = typeof(HostWithInterface).Assembly.GetName().Version!;

    public override Guid InstanceId { get; } = Guid.NewGuid();

    public override CultureInfo CurrentCulture => CultureInfo.InvariantCulture;

    public override CultureInfo CurrentUICulture => CultureInfo.InvariantCulture;

    public override void SetShouldExit(int exitCode) => ExitCode = exitCode;

    public override void EnterNestedPrompt() => throw new NotSupportedException("This host has no nested prompt.");

    public override void ExitNestedPrompt() => throw new NotSupportedException("This host has no nested prompt.");

    public override void NotifyBeginApplication()
    {
        // Nothing of the console is ours only.
    }

    public override void NotifyEndApplication()
    {
        // See NotifyBeginApplication.
    }
}
