using NixBuildFarm.Ssh;
using NixBuildFarm.Transport;

namespace NixBuildFarm;

/// <summary>
/// How the cmdlets of a session reach builders. Logging in costs several round trips and a tenth of a second of processor time, so a
/// connection stays open for a while after its last use: whoever builds or copies again goes on with it.
/// </summary>
internal static class SessionTransports
{
    private static readonly TimeSpan KeepFor = TimeSpan.FromMinutes(1);
    private static readonly SshTransportFactory Remote = new(KeepFor);

    /// <summary>Makes transports, the local one too.</summary>
    public static IBuilderTransportFactory Factory { get; } = new BuilderTransports(Remote);

    /// <summary>Closes the connections that nobody uses at the moment.</summary>
    public static void CloseIdle() => Remote.CloseIdle();
}
