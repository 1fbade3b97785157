using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Serving;

/// <summary>
/// The greeting of a client: it ends with a version and features that the client, the front and the local daemon all speak.
/// </summary>
/// <param name="client">To the client.</param>
/// <param name="reader">From the client.</param>
/// <param name="local">Reaches the local daemon.</param>
/// <param name="isTrusted">Whether the client is told that it has the rights of the front's own user.</param>
internal sealed class ClientGreeting(Stream client, WireReader reader, IBuilderTransport local, bool isTrusted)
{
    private readonly WireWriter writer = new();

    /// <summary>Greets the client, and opens its connection to the local daemon.</summary>
    /// <exception cref="WireException">It does not greet as Nix does, or is too old.</exception>
    /// <exception cref="BuilderException">The local daemon cannot be reached.</exception>
    public async Task<SessionConnection> GreetAsync(CancellationToken cancellation)
    {
        if (await reader.ReadUInt64Async(cancellation) != WireFormat.ClientMagic)
        {
            throw new WireException("The client does not greet as Nix does.");
        }
        // Old clients say their version only when they know the daemon's.
        var opened = await OpenAsync(ProtocolVersion.Newest, cancellation);
        try
        {
            writer.WriteUInt64(WireFormat.DaemonMagic);
            writer.WriteUInt64(opened.Daemon.Version.ToWire());
            await SendAsync(cancellation);
            var version = ProtocolVersion.FromWire(await reader.ReadUInt64Async(cancellation));
            if (version < ProtocolVersion.Oldest)
            {
                throw new WireException($"The client speaks version {version} of the protocol; {ProtocolVersion.Oldest} is the oldest that "
                    + "is understood.");
            }
            if (version < opened.Daemon.Version)
            {
                await opened.DisposeAsync();
                opened = await OpenAsync(version, cancellation);
            }
            if (opened.Daemon.Version >= ProtocolVersion.WithFeatures)
            {
                var shared = opened.Daemon.Version.SharedWith(await reader.ReadStringsAsync(WireLimits.Name, cancellation));
                if (shared != opened.Daemon.Version)
                {
                    await opened.DisposeAsync();
                    opened = await OpenAsync(shared, cancellation);
                }
                writer.WriteStrings(shared.Features);
                await SendAsync(cancellation);
            }
            await IntroduceAsync(opened, cancellation);
            return opened;
        }
        catch
        {
            await opened.DisposeAsync();
            throw;
        }
    }

    private Task<SessionConnection> OpenAsync(ProtocolVersion newest, CancellationToken cancellation) =>
        SessionConnection.OpenForClientAsync(NixBuilder.LocalStore, local, newest, cancellation);

    private async Task IntroduceAsync(SessionConnection opened, CancellationToken cancellation)
    {
        // Processor affinity: no daemon reads it any more.
        if (await reader.ReadBoolAsync(cancellation)) await reader.ReadUInt64Async(cancellation);
        await reader.ReadUInt64Async(cancellation); // Reserve space: no daemon reads it any more.
        if (opened.Daemon.Version >= ProtocolVersion.WithNixVersion) writer.WriteString(opened.Daemon.NixVersion ?? "");
        if (opened.Daemon.Version >= ProtocolVersion.WithTrust)
        {
            writer.WriteUInt64((ulong)(isTrusted ? opened.Daemon.Trust : DaemonTrust.NotTrusted));
        }
        StderrFrame.WriteLast(writer);
        await SendAsync(cancellation);
    }

    private async Task SendAsync(CancellationToken cancellation)
    {
        await client.WriteAsync(writer.Written, cancellation);
        writer.Clear();
    }
}
