using NixBuildFarm.Builders;
using NixBuildFarm.Ssh.Channels;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.HostKeys;
using NixBuildFarm.Ssh.Identities;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>All that is known of a builder before the first connection to it.</summary>
/// <param name="Builder">The builder.</param>
/// <param name="Config">Its resolved ssh_config.</param>
/// <param name="HostKeys">Decides whether a server is this builder.</param>
/// <param name="Identities">The keys to log in with.</param>
/// <param name="Options">The limits.</param>
internal sealed record SshTarget(
    NixBuilder Builder, SshConfig Config, HostKeyVerifier HostKeys, IdentitySource Identities, TransportOptions Options)
{
    /// <summary>The errors of this builder.</summary>
    public SshErrors Errors { get; } = new(Builder, Config);

    /// <summary>
    /// The settings that decide address, login and method of a connection: targets with the same settings can share connections.
    /// </summary>
    public string Login { get; } = string.Join(
        '\n', [Builder.IdentityFile, Builder.Compress, Config.AgentSocket, Options.SilenceTimeout, .. Config.ConnectionLines]);

    /// <summary>How long the server may say nothing while we connect and log in.</summary>
    public TimeSpan ConnectTimeout => Config.ConnectTimeoutOf(Options);

    /// <summary>Says a decision, for the Verbose stream.</summary>
    public void Say(string decision) => Options.Verbose?.Invoke($"{Builder.Name}: {decision}");
}
