using NixBuildFarm.Builders;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.Connection;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh;

/// <summary>
/// Reaches remote builders over SSH as OpenSSH would: with the user's ssh_config, known_hosts, keys and agent, and with
/// the options that <c>NIX_SSHOPTS</c> gives to every ssh of Nix. Host keys are always verified. This is the only public type of the
/// assembly, so that its packages stay its own.
/// </summary>
public sealed class SshTransportFactory : IBuilderTransportFactory
{
    private readonly TimeSpan keepFor;
    private IdleConnections? kept;

    /// <summary>Makes a factory whose transports close all that they open.</summary>
    public SshTransportFactory()
    {
    }

    /// <summary>Makes a factory whose transports leave idle connections to those that come after them.</summary>
    /// <param name="keepFor">How long an idle connection stays open.</param>
    public SshTransportFactory(TimeSpan keepFor)
    {
        this.keepFor = keepFor;
        kept = NewIdle();
    }

    /// <inheritdoc/>
    public IBuilderTransport Create(NixBuilder builder, TransportOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        return new SshTransport(builder, options, SshEnvironment.OfProcess(), kept);
    }

    /// <summary>Closes the idle connections, and those that transports made so far still leave behind.</summary>
    public void CloseIdle()
    {
        if (kept is not null) Interlocked.Exchange(ref kept, NewIdle())?.Close();
    }

    private IdleConnections NewIdle() => new(keepFor, TimeProvider.System);
}
