using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Sessions;

/// <summary>A session whose channels may lead straight to the socket of a daemon: it never gets less by that.</summary>
public sealed class DaemonSocketSessionTests : IDisposable
{
    private readonly FakeFarm farm = new("socket", "program");
    private readonly List<string> reasons = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task A_daemon_that_trusts_the_login_is_reached_through_its_socket()
    {
        await using var session = await OpenAsync();

        Assert.True(session.Facts.Trusted);
        Assert.Empty(reasons);
        Assert.Empty(farm["program"].Opened);
    }

    [Fact]
    public async Task A_root_that_the_daemon_does_not_trust_has_its_own_program()
    {
        Distrust("socket");
        farm["socket"].Machine = "user 0\n";

        await using var session = await OpenAsync();

        Assert.True(session.Facts.Trusted);
        Assert.Equal(["the daemon does not trust the login at its socket"], reasons);
        Assert.Equal(DaemonTrust.Trusted, await session.UseAsync(ChannelUse.Build, daemon => Task.FromResult(daemon.Trust), Cancellation));
        Assert.Equal(2, farm["program"].Opened.Count);
    }

    [Fact]
    public async Task Another_login_that_the_daemon_does_not_trust_stays_with_the_socket()
    {
        Distrust("socket");
        farm["socket"].Machine = "user 1000\n";

        await using var session = await OpenAsync();

        Assert.False(session.Facts.Trusted);
        Assert.Empty(reasons);
    }

    [Fact]
    public async Task Whom_the_socket_does_not_let_in_a_program_may()
    {
        farm["socket"].Daemon = new() { Faults = new() { EndAfter = 0 } };

        await using var session = await OpenAsync();

        Assert.True(session.Facts.Trusted);
        Assert.Single(reasons);
    }

    [Fact]
    public async Task A_daemon_that_is_silent_is_not_asked_a_second_time()
    {
        farm["socket"].Daemon = new() { Faults = new() { IsMute = true } };

        var error = await Assert.ThrowsAsync<BuilderException>(() => OpenAsync(limit: TimeSpan.FromMilliseconds(100)));

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
        Assert.Empty(reasons);
        Assert.Empty(farm["program"].Opened);
    }

    [Fact]
    public async Task A_builder_that_is_lost_is_not_asked_a_second_time()
    {
        farm["socket"].Daemon = new() { Faults = new() { EndAfter = 12 } };

        await Assert.ThrowsAsync<BuilderException>(() => OpenAsync());

        Assert.Empty(reasons);
        Assert.Empty(farm["program"].Opened);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_keeps_what_a_build_has_made_is_the_daemon_and_no_program_that_asks_it_anew(bool hasSocket)
    {
        farm["socket"].Daemon = farm["program"].Daemon = new() { NixVersion = "2.20.1" };
        farm["socket"].Machine = farm["program"].Machine = "user 1000\n";
        if (!hasSocket) reasons.Add("there is none");
        await using var session = await OpenAsync();

        await using var reserved = session.Reserve(ChannelUse.Build, Cancellation);
        await reserved.UseAsync(daemon => Task.FromResult(daemon.Trust));

        Assert.Equal(hasSocket, reserved.KeepsRoots);
    }

    private void Distrust(string machine) =>
        farm[machine].Builds(_ => throw new InvalidOperationException("Nothing is to be built."), DaemonTrust.NotTrusted);

    private Task<BuilderSession> OpenAsync(TimeSpan? limit = null) => BuilderSession.OpenAsync(
        farm["socket"].Builder, new TwoWays(farm["socket"], farm["program"], reasons), new DaemonOptions(), Cancellation, limit: limit);

    /// <summary>Leads to a socket until it is told to leave that.</summary>
    private sealed class TwoWays(FakeMachine socket, FakeMachine program, List<string> reasons) : IBuilderTransport
    {
        public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) => reasons.Count > 0
            ? await program.OpenAsync(use, cancellation)
            : new ToSocket(await socket.OpenAsync(use, cancellation));

        public void LeaveDaemonSocket(string reason) => reasons.Add(reason);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class ToSocket(IBuilderChannel inner) : IBuilderChannel
    {
        public Stream Stream => inner.Stream;

        public string ErrorOutput => inner.ErrorOutput;

        public bool IsDaemonSocket => true;

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
