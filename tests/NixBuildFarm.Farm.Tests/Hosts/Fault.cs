namespace NixBuildFarm.Farm.Tests.Hosts;

/// <summary>Something that goes wrong on a builder for real; see <c>tests/Farm/farm.sh</c>.</summary>
/// <param name="Command">What makes it.</param>
/// <param name="Undo">What undoes it.</param>
public sealed record Fault(string Command, string Undo)
{
    /// <summary>New connections are refused; those that exist stay.</summary>
    public static readonly Fault SshdStopped = new("sshd-stop", "sshd-start");

    /// <summary>Every connection breaks, new ones are refused.</summary>
    public static readonly Fault SshdKilled = new("sshd-kill", "sshd-start");

    /// <summary>The cable is pulled: nobody answers for its address.</summary>
    public static readonly Fault LinkDown = new("link-down", "link-up");

    /// <summary>Packets vanish in both directions, and nothing tells.</summary>
    public static readonly Fault Blackhole = new("blackhole", "unblackhole");

    /// <summary>Every process is stopped; the kernel still answers.</summary>
    public static readonly Fault Frozen = new("freeze", "thaw");

    /// <summary>Every process of the Nix daemon is killed, those of connections too.</summary>
    public static readonly Fault DaemonKilled = new("daemon-kill", "daemon-start");

    /// <summary>Next to nothing is free in its store.</summary>
    public static readonly Fault StoreFull = new("fill", "unfill");

    /// <summary>It answers with another host key than the one that is known.</summary>
    public static readonly Fault HostKeyChanged = new("change-host-key", "restore-host-key");

    public override string ToString() => Command;
}
