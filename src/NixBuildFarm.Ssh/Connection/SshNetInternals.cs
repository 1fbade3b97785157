using System.Net.Sockets;
using System.Reflection;
using System.Runtime.CompilerServices;
using Renci.SshNet;
using Renci.SshNet.Messages;
using Renci.SshNet.Messages.Connection;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>
/// Functions that SSH.NET 2026.0.0 has but does not offer. The package is pinned and shipped with us; a version without them throws
/// <see cref="MissingMethodException"/> at the first connection, and the tests find it.
/// </summary>
internal static class SshNetInternals
{
    private const string FactoryName = "_serviceFactory";

    private static readonly PropertyInfo? SessionProperty =
        typeof(BaseClient).GetProperty("Session", BindingFlags.Instance | BindingFlags.NonPublic);

    private static readonly FieldInfo? FactoryField = FactoryOf(typeof(BaseClient)), SessionFactoryField = FactoryOf(typeof(Session));

    /// <summary>
    /// Lets a client that has not connected yet speak over a socket that is connected already, in place of one of its own. The client
    /// disposes of it.
    /// </summary>
    public static void ConnectOver(SshClient client, Socket socket)
    {
        if (FactoryField?.GetValue(client) is not { } factory) throw new MissingFieldException(nameof(BaseClient), FactoryName);
        FactoryField.SetValue(client, SocketHandover.Of(FactoryField.FieldType, factory, socket));
    }

    /// <summary>
    /// Lets a command write its output to our streams. SSH.NET's own have no bound: measured, a reader 20 s late cost
    /// 4.7 GB of memory and then lost 998 MB without an error.
    /// </summary>
    public static void Redirect(SshCommand command, Stream output, Stream extendedOutput)
    {
        SetOutputStream(command, output);
        SetExtendedOutputStream(command, extendedOutput);
    }

    /// <summary>The session of a connected client.</summary>
    public static Session SessionOf(SshClient client) =>
        SessionProperty?.GetValue(client) as Session ?? throw new MissingMethodException(nameof(BaseClient), "Session");

    /// <summary>
    /// Asks the server for an answer, any answer, as OpenSSH's ServerAliveInterval does. Blocks while the socket is full.
    /// </summary>
    public static void SendKeepAlive(Session session) => SendMessage(session, new KeepAliveRequest());

    private static FieldInfo? FactoryOf(Type type) => type.GetField(FactoryName, BindingFlags.Instance | BindingFlags.NonPublic);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_OutputStream")]
    private static extern void SetOutputStream(SshCommand command, Stream stream);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_ExtendedOutputStream")]
    private static extern void SetExtendedOutputStream(SshCommand command, Stream stream);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "SendMessage")]
    private static extern void SendMessage(Session session, Message message);

    /// <summary>
    /// Stands in for SSH.NET's internal factory (IServiceFactory) and connector (IConnector): the factory differs only in the connector,
    /// which hands the socket over.
    /// </summary>
    internal class SocketHandover : DispatchProxy
    {
        private object? factory;
        private Socket? socket;

        public static object Of(Type stoodInFor, object? factory, Socket socket)
        {
            var proxy = Create(stoodInFor, typeof(SocketHandover));
            (((SocketHandover)proxy).factory, ((SocketHandover)proxy).socket) = (factory, socket);
            return proxy;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            ArgumentNullException.ThrowIfNull(targetMethod);
            switch (targetMethod.Name)
            {
                case "CreateConnector": return Of(targetMethod.ReturnType, factory: null, socket!);
                case "Connect": return socket;
                case "CreateSession":
                    var session = Pass(targetMethod, args);
                    if (SessionFactoryField is null) throw new MissingFieldException(nameof(Session), FactoryName);
                    SessionFactoryField.SetValue(session, this); // the session asks for the connector
                    return session;
                default: return Pass(targetMethod, args);
            }
        }

        private object? Pass(MethodInfo method, object?[]? args) => factory is null
            ? throw new MissingMethodException(method.DeclaringType?.Name, method.Name)
            : method.Invoke(factory, BindingFlags.DoNotWrapExceptions, binder: null, args, culture: null);
    }

    // SSH_MSG_GLOBAL_REQUEST (RFC 4254, section 4) of an unknown name that wants a reply: the server answers “no”.
    private sealed class KeepAliveRequest : GlobalRequestMessage
    {
        private static readonly byte[] RequestNameBytes = "keepalive@openssh.com"u8.ToArray();

        protected override int BufferCapacity => sizeof(byte) + sizeof(uint) + RequestNameBytes.Length + sizeof(byte);

        protected override void SaveData()
        {
            WriteBinaryString(RequestNameBytes);
            Write(true);
        }
    }
}
