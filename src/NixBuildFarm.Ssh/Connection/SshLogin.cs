using System.Net.Sockets;
using System.Text;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Ssh.HostKeys;
using Renci.SshNet;
using Renci.SshNet.Common;
using Renci.SshNet.Messages.Transport;
using Renci.SshNet.Security;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>Connects to a builder, verifies that it is the builder, and logs in.</summary>
internal static class SshLogin
{
    private const int GreetingAttempts = 6;

    /// <summary>Limit, in multiples, for a server that keeps talking but never completes the login.</summary>
    private const int LimitsInAll = 6;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Farewell = TimeSpan.FromMilliseconds(300);

    /// <summary>
    /// Connects and logs in; the server may say nothing for as long as the target's limit. A server that drops us before its greeting, as
    /// sshd does when too many log in at a time (MaxStartups), is tried again a few times.
    /// </summary>
    /// <exception cref="BuilderException">It cannot be done; nothing is left open.</exception>
    public static async Task<SshConnection> ConnectAsync(SshTarget target, CancellationToken cancellation)
    {
        using var turn = await LoginTurn.TakeAsync(cancellation);
        var limit = target.ConnectTimeout;
        SshWire? wire = null;
        using var inAll = new SilenceWatch(limit * LimitsInAll, TimeProvider.System, cancellation);
        using var watch = new SilenceWatch(limit, TimeProvider.System, inAll.Token, hasHeard: () => wire?.Silence < limit / 10);
        try
        {
            var pause = FirstPause;
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    return await TryConnectAsync(target, limit, connected => wire = connected, watch.Token);
                }
                catch (NoGreetingException e) when (attempt < GreetingAttempts)
                {
                    target.Say($"the server closed the connection before its greeting ({e.Message}); trying again in "
                        + $"{pause.TotalMilliseconds} ms");
                    await Task.Delay(pause, watch.Token);
                    pause *= 2;
                }
                catch (NoGreetingException e)
                {
                    throw target.Errors.ClosedEarly(e.InnerException!);
                }
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw target.Errors.TimedOut(limit, "connecting and logging in");
        }
    }

    private static async Task<SshConnection> TryConnectAsync(
        SshTarget target, TimeSpan limit, Action<SshWire> connected, CancellationToken cancellation)
    {
        var (identities, unused) = await BlockingTaskScheduler.Run(() => target.Identities.Load(cancellation)).WaitAsync(cancellation);
        SshWire wire;
        try
        {
            var config = target.Config;
            wire = await SshWire.ConnectAsync(config.HostName, config.Port, config.AddressFamily, limit, cancellation);
        }
        catch (SocketException e)
        {
            throw target.Errors.Unreachable(e);
        }
        connected(wire);
        target.Say($"connected to {wire.ServerEnd}, logging in as {target.Config.User}");

        var info = new ConnectionInfo(
            target.Config.HostName,
            target.Config.Port,
            target.Config.User,
            new PrivateKeyAuthenticationMethod(target.Config.User, [.. identities]))
        {
            Timeout = Timeout.InfiniteTimeSpan, // cutting the wire ends every wait
            ChannelCloseTimeout = Farewell,
            RetryAttempts = 1,
            MaxSessions = int.MaxValue, // the pool counts
        };
        Algorithms.Choose(info, target.Config, target.HostKeys, target.Builder.Compress || target.Config.Compression);
        var client = new SshClient(info);
        SshNetInternals.ConnectOver(client, wire.LocalEnd);
        BuilderException? wrongHost = null;
        ServerKey? serverKey = null;
        var hasGreeted = false;
        client.ServerIdentificationReceived += (_, _) => hasGreeted = true;
        client.HostKeyReceived += (_, e) =>
        {
            e.CanTrust = false; // SSH.NET's default is true
            wrongHost = Judge(target, e, out serverKey);
            e.CanTrust = wrongHost is null;
        };
        try
        {
            using (cancellation.Register(wire.Cut)) await BlockingTaskScheduler.Run(client.Connect);
            cancellation.ThrowIfCancellationRequested();
            return new SshConnection(target, serverKey!, wire, client);
        }
        catch (Exception e)
        {
            await wire.DisposeAsync();
            await BlockingTaskScheduler.Run(client.Dispose);
            cancellation.ThrowIfCancellationRequested();
            if (wrongHost is not null) throw wrongHost;
            throw e switch
            {
                SshAuthenticationException => Refused(),
                SshConnectionException when e.Message.Contains("authentication failures", StringComparison.OrdinalIgnoreCase) => Refused(),
                SshConnectionException { DisconnectReason: DisconnectReason.KeyExchangeFailed }
                    when e.Message.StartsWith("Host key", StringComparison.Ordinal) => target.HostKeys.Unproven(),
                SocketException or ObjectDisposedException
                    or SshConnectionException { DisconnectReason: DisconnectReason.ConnectionLost } =>
                    hasGreeted ? target.Errors.Lost(e.Message, e) : new NoGreetingException(e),
                SshException or InvalidOperationException or NotSupportedException or ArgumentException => target.Errors.NotUnderstood(e),
                _ => e,
            };

            BuilderException Refused() => target.Errors.AuthenticationFailed(identities.Select(i => i.Description).ToList(), unused, e);
        }
    }

    // Null: the server is the builder.
    private static BuilderException? Judge(SshTarget target, HostKeyEventArgs e, out ServerKey? serverKey)
    {
        serverKey = null;
        if (!HostKey.TryRead(e.HostKey, out var key)) return target.HostKeys.Unproven();
        HostCertificate? certificate = null;
        if (e.Certificate is { } c && HostKey.TryRead(c.CertificateAuthorityKey, out var authority))
        {
            var isForHost = c.Type == Certificate.CertificateType.Host;
            var signedWith = new SshDataStream(c.Signature).ReadString(Encoding.ASCII);
            certificate = new HostCertificate(
                authority, isForHost, c.ValidPrincipals.AsReadOnly(), c.CriticalOptions.Keys.ToList(), signedWith);
        }
        serverKey = new(key, certificate);
        var error = serverKey.Judge(target, out var decidedBy);
        if (error is null) target.Say($"host key {key} is the expected one: {decidedBy}");
        return error;
    }

    // The server hung up before it said “SSH-2.0-…”.
    private sealed class NoGreetingException(Exception inner) : Exception(inner.Message, inner);
}
