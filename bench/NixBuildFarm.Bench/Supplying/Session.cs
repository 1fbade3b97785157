using NixBuildFarm.Ssh;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Bench.Supplying;

/// <summary>How ours reaches builders: as the cmdlets of one session do, which keep connections for a minute.</summary>
internal static class Session
{
    public static IBuilderTransportFactory Transports { get; } = new BuilderTransports(new SshTransportFactory(TimeSpan.FromMinutes(1)));
}
