using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>A daemon connection and the channel below it.</summary>
internal sealed class SessionConnection : IAsyncDisposable
{
    /// <summary>More hardly helps: a socket of Nix's daemon holds 208 KiB.</summary>
    private const int BulkBufferSize = 256 << 10;

    private readonly IBuilderChannel channel;

    private SessionConnection(IBuilderChannel channel, DaemonConnection daemon)
    {
        this.channel = channel;
        Daemon = daemon;
    }

    /// <summary>The connection.</summary>
    public DaemonConnection Daemon { get; }

    /// <summary>Opens a channel, and greets the daemon.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="transport">Reaches it.</param>
    /// <param name="use">The purpose of the connection.</param>
    /// <param name="options">Its settings.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="limit">How long the greeting may take; null: as long as usual.</param>
    /// <exception cref="BuilderException">The builder cannot be reached or used.</exception>
    public static async Task<SessionConnection> OpenAsync(
        NixBuilder builder, IBuilderTransport transport, ChannelUse use, DaemonOptions options, CancellationToken cancellation,
        TimeSpan? limit = null)
    {
        return await OpenAsync(transport, use, Describe, cancellation);

        DaemonConnectionOptions Describe(IBuilderChannel opened)
        {
            var description = SessionConnection.Describe(builder, opened, use) with { Settings = options };
            return limit is { } greeting ? description with { HandshakeTimeout = greeting } : description;
        }
    }

    /// <summary>Opens a channel for the requests of another client, which gives its own settings.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="transport">Reaches it.</param>
    /// <param name="newest">The newest version that the client speaks, with its features.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="BuilderException">The builder cannot be reached or used.</exception>
    public static async Task<SessionConnection> OpenForClientAsync(
        NixBuilder builder, IBuilderTransport transport, ProtocolVersion newest, CancellationToken cancellation)
    {
        return await OpenAsync(
            transport,
            ChannelUse.Build,
            opened => Describe(builder, opened, ChannelUse.Build) with { NewestVersion = newest },
            cancellation);
    }

    // Whom the daemon's socket does not let in, a program of the login may: the daemon hangs up without a word then. One that is silent
    // is no better for a program.
    private static async Task<SessionConnection> OpenAsync(
        IBuilderTransport transport,
        ChannelUse use,
        Func<IBuilderChannel, DaemonConnectionOptions> describe,
        CancellationToken cancellation)
    {
        var opened = await transport.OpenAsync(use, cancellation);
        if (!opened.IsDaemonSocket) return await OpenAsync(opened, describe(opened), cancellation);
        try
        {
            return await OpenAsync(opened, describe(opened), cancellation);
        }
        catch (BuilderException e) when (e.Failure == BuilderFailure.NoNix)
        {
            transport.LeaveDaemonSocket(e.Message);
        }
        opened = await transport.OpenAsync(use, cancellation);
        return await OpenAsync(opened, describe(opened), cancellation);
    }

    private static async Task<SessionConnection> OpenAsync(
        IBuilderChannel opened, DaemonConnectionOptions description, CancellationToken cancellation)
    {
        try
        {
            return new(opened, await DaemonConnection.OpenAsync(opened.Stream, description, cancellation));
        }
        catch
        {
            await opened.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc cref="IBuilderChannel.IsDaemonSocket"/>
    public bool IsDaemonSocket => channel.IsDaemonSocket;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Daemon.DisposeAsync();
        await channel.DisposeAsync();
    }

    private static DaemonConnectionOptions Describe(NixBuilder builder, IBuilderChannel channel, ChannelUse use)
    {
        var description = new DaemonConnectionOptions { Builder = builder.Name, ErrorOutput = () => channel.ErrorOutput };
        return use == ChannelUse.Bulk ? description with { BufferSize = BulkBufferSize } : description;
    }
}
