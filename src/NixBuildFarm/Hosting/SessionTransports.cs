using System.Management.Automation;
using System.Security;
using NixBuildFarm.Builders;
using NixBuildFarm.Ssh;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Hosting;

/// <summary>
/// The transports of a session. A login costs several round trips and a tenth of a second of processor time, so a connection stays open for
/// a while for the next build or copy.
/// </summary>
internal static class SessionTransports
{
    private static readonly TimeSpan KeepFor = TimeSpan.FromMinutes(1);
    private static readonly SshTransportFactory Remote = new(KeepFor);

    /// <summary>Makes transports, the local one too.</summary>
    public static IBuilderTransportFactory Factory { get; } = new BuilderTransports(Remote);

    /// <summary>
    /// Makes transports that open encrypted private keys with a credential's password; null: the key agent has to hold such keys.
    /// </summary>
    public static IBuilderTransportFactory With(PSCredential? credential) => With(credential, Factory);

    /// <summary>The same for transports of another factory.</summary>
    public static IBuilderTransportFactory With(PSCredential? credential, IBuilderTransportFactory transports) =>
        credential?.Password is { Length: > 0 } passphrase ? new PassphraseFactory(passphrase, transports) : transports;

    /// <summary>Closes the idle connections.</summary>
    public static void CloseIdle() => Remote.CloseIdle();

    private sealed class PassphraseFactory(SecureString passphrase, IBuilderTransportFactory transports) : IBuilderTransportFactory
    {
        public IBuilderTransport Create(NixBuilder builder, TransportOptions options) =>
            transports.Create(builder, options with { KeyPassphrase = passphrase });
    }
}
