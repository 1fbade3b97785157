using NixBuildFarm.Builders;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Sessions;

public class SessionSetTests
{
    private static readonly NixBuilder Ruby = new()
    {
        Name = "ruby",
        HostName = "ruby",
        Uri = "ssh-ng://ruby",
        Systems = ["x86_64-linux"],
        Source = "a test",
    };

    [Fact]
    public async Task A_session_that_is_still_being_opened_when_the_run_ends_is_given_up()
    {
        var slow = new SlowTransport(minds: true);
        var sessions = new SessionSet(slow, new());
        var opening = sessions.OpenAsync(Ruby, useSubstitutes: true, CancellationToken.None);

        await sessions.DisposeAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
        Assert.True(slow.IsDisposed);
    }

    [Fact]
    public async Task A_session_that_opens_while_the_run_ends_is_closed()
    {
        var slow = new SlowTransport(minds: false);
        var sessions = new SessionSet(slow, new());
        _ = sessions.OpenAsync(Ruby, useSubstitutes: true, CancellationToken.None);

        var closing = sessions.DisposeAsync().AsTask();
        slow.Answer.SetResult();
        await closing;

        await slow.Daemon.AllClosedAsync().WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.True(slow.IsDisposed);
    }

    /// <summary>Connects when it is told to; may not mind being cancelled meanwhile.</summary>
    private sealed class SlowTransport(bool minds) : IBuilderTransportFactory, IBuilderTransport
    {
        public TaskCompletionSource Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public FakeDaemon Daemon { get; } = new();

        public bool IsDisposed { get; private set; }

        public IBuilderTransport Create(NixBuilder builder, TransportOptions options) => this;

        public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation)
        {
            await Answer.Task.WaitAsync(minds ? cancellation : CancellationToken.None);
            return new Channel(Daemon.Connect());
        }

        public ValueTask DisposeAsync()
        {
            IsDisposed = true;
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Channel(Stream stream) : IBuilderChannel
    {
        public Stream Stream => stream;

        public string ErrorOutput => "";

        public ValueTask DisposeAsync() => stream.DisposeAsync();
    }
}
