using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using NixBuildFarm.Text;
using Renci.SshNet.Common;
using Renci.SshNet.Security;

namespace NixBuildFarm.Ssh.Identities;

/// <summary>
/// Asks the user's key agent for its keys and for signatures (draft-ietf-sshm-ssh-agent). The private keys stay there.
/// </summary>
internal sealed class SshAgent
{
    private const byte RequestIdentities = 11;
    private const byte IdentitiesAnswer = 12;
    private const byte SignRequest = 13;
    private const byte SignResponse = 14;
    private const uint SignWithSha512 = 4;
    private const int LongestMessage = 256 * 1024; // OpenSSH's own limit

    private readonly string socketPath;
    private readonly CancellationToken cancellation;

    private SshAgent(string socketPath, CancellationToken cancellation)
    {
        this.socketPath = socketPath;
        this.cancellation = cancellation;
    }

    /// <summary>The keys that the agent holds; none where it does not answer.</summary>
    /// <param name="socketPath">The agent's socket.</param>
    /// <param name="verbose">Receives the reason why there are none.</param>
    /// <param name="cancellation">Ends a wait for the agent, now or when one of the keys signs.</param>
    public static IReadOnlyList<Identity> Identities(string socketPath, Action<string> verbose, CancellationToken cancellation)
    {
        try
        {
            return new SshAgent(socketPath, cancellation).List();
        }
        catch (Exception e) when (e is SocketException or IOException or ArgumentException or NotSupportedException)
        {
            cancellation.ThrowIfCancellationRequested();
            verbose($"the key agent at {socketPath} does not answer: {e.Message}");
            return [];
        }
    }

    private List<Identity> List()
    {
        using var answer = Ask(RequestIdentities, [], IdentitiesAnswer);
        var identities = new List<Identity>();
        for (var left = answer.ReadUInt32(); left > 0; left--)
        {
            var publicKey = answer.ReadBinary();
            var comment = TerminalText.Strip(answer.ReadString(Encoding.UTF8));
            identities.Add(new Identity($"agent: {comment}", [new AgentKey(this, publicKey, publicKey)]));
        }
        return identities;
    }

    private byte[] Sign(byte[] publicKey, byte[] data)
    {
        using var request = new SshDataStream(publicKey.Length + data.Length + 3 * sizeof(uint));
        request.WriteBinary(publicKey);
        request.WriteBinary(data);
        request.Write(publicKey.AsSpan().IndexOf("ssh-rsa"u8) == sizeof(uint) ? SignWithSha512 : 0);
        using var answer = Ask(SignRequest, request.ToArray(), SignResponse);
        return answer.ReadBinary();
    }

    private SshDataStream Ask(byte type, byte[] request, byte expected)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var _ = cancellation.Register(socket.Dispose);
        socket.Connect(new UnixDomainSocketEndPoint(socketPath));

        var message = new byte[5 + request.Length];
        BinaryPrimitives.WriteInt32BigEndian(message, message.Length - 4);
        message[4] = type;
        request.CopyTo(message, 5);
        using var stream = new NetworkStream(socket);
        stream.Write(message);

        var header = new byte[4];
        stream.ReadExactly(header);
        var length = BinaryPrimitives.ReadUInt32BigEndian(header);
        if (length is 0 or > LongestMessage) throw new IOException($"its answer is {length} bytes long");
        var answer = new byte[length];
        stream.ReadExactly(answer);
        return answer[0] == expected
            ? new SshDataStream(answer, 1, answer.Length - 1)
            : throw new IOException("it refused");
    }

    /// <summary>A key of the agent, as SSH.NET sees it.</summary>
    /// <param name="agent">The agent that signs.</param>
    /// <param name="publicKey">The key, as the agent knows it.</param>
    /// <param name="shown">The key that the server sees, or a certificate of it.</param>
    internal sealed class AgentKey(SshAgent agent, byte[] publicKey, byte[] shown) : HostAlgorithm(AlgorithmOf(shown))
    {
        /// <inheritdoc/>
        public override byte[] Data => shown;

        /// <summary>The same key behind a certificate of it.</summary>
        public AgentKey With(KeyCertificate certificate) => new(agent, publicKey, certificate.Bytes);

        /// <inheritdoc/>
        public override byte[] Sign(byte[] data)
        {
            try
            {
                return agent.Sign(publicKey, data);
            }
            catch (Exception e) when (e is SocketException or IOException or ArgumentException or NotSupportedException)
            {
                // An empty signature is refused by the server, and the next key has its turn.
                return [];
            }
        }

        /// <inheritdoc/>
        public override bool VerifySignature(byte[] data, byte[] signature) => throw new NotSupportedException();

        private static string AlgorithmOf(byte[] shown) => new SshDataStream(shown).ReadString(Encoding.ASCII) switch
        {
            "ssh-rsa" => "rsa-sha2-512",
            "ssh-rsa-cert-v01@openssh.com" => "rsa-sha2-512-cert-v01@openssh.com",
            var type => type,
        };
    }
}
