using NixBuildFarm.Errors;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Tests;

/// <summary>Who carries NARs, and who all else.</summary>
public class BulkTransportTests
{
    // What OpenSSH's client calls itself, and what SSH.NET does.
    private const string Program = "remote software version OpenSSH", SshNet = "remote software version Renci.SshNet";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task NARs_go_through_the_ssh_program_and_all_else_through_SSH_NET()
    {
        await using var server = await SshServer.StartAsync("LogLevel DEBUG1");
        await using var transport = server.Transport();

        await using var bulk = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);
        await EchoAsync(bulk);
        Assert.Contains(Program, server.Log);
        Assert.DoesNotContain(SshNet, server.Log);

        await using var build = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await EchoAsync(build);
        Assert.Contains(SshNet, server.Log);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task NARs_are_compressed_where_the_link_was_measured_to_be_slow(bool isSlow)
    {
        await using var server = await SshServer.StartAsync("LogLevel DEBUG1");
        await using var transport = server.Transport(options: new() { HasSlowLink = builder => isSlow && builder == "ruby" });

        await using var bulk = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);
        await EchoAsync(bulk);

        Assert.Contains($"compression: {(isSlow ? "zlib@openssh.com" : "none")}", server.Log);
    }

    [Theory]
    [InlineData(BuilderFailure.AuthenticationFailed, true)]
    [InlineData(BuilderFailure.HostKeyMismatch, false)]
    [InlineData(BuilderFailure.Unreachable, false)]
    public async Task SSH_NET_does_everything_if_ssh_cannot_log_in_and_an_unreachable_builder_is_not_tried_twice(
        BuilderFailure failure, bool isTakenOver)
    {
        var (program, sshNet) = (new FakeTransport(new BuilderException("ruby", failure, "ssh could not.")), new FakeTransport());
        var said = new List<string>();
        await using var transport = new BulkTransport(program, sshNet, said.Add);

        for (var i = 0; i < 2; i++)
        {
            if (isTakenOver) Assert.NotNull(await transport.OpenAsync(ChannelUse.Bulk, Cancellation));
            else await Assert.ThrowsAsync<BuilderException>(() => transport.OpenAsync(ChannelUse.Bulk, Cancellation));
        }

        Assert.Equal(
            isTakenOver ? (1, 2, 1) : (failure == BuilderFailure.HostKeyMismatch ? 1 : 2, 0, 0), (program.Asked, sshNet.Asked, said.Count));
    }

    [Fact]
    public async Task A_host_key_that_ssh_has_refused_once_is_refused_for_everything()
    {
        var refusal = new BuilderException("ruby", BuilderFailure.HostKeyMismatch, "ssh does not accept the host key.");
        await using var transport = new BulkTransport(new FakeTransport(refusal), new FakeTransport(), _ => { });
        await Assert.ThrowsAsync<BuilderException>(() => transport.OpenAsync(ChannelUse.Bulk, Cancellation));

        foreach (var use in Enum.GetValues<ChannelUse>())
        {
            Assert.Same(refusal, await Assert.ThrowsAsync<BuilderException>(() => transport.OpenAsync(use, Cancellation)));
        }
    }

    private static async Task EchoAsync(IBuilderChannel channel)
    {
        await channel.Stream.WriteTextAsync("ping");
        Assert.Equal("ping", await channel.Stream.ReadAsync(4));
    }

    /// <summary>Opens channels of nothing, or fails.</summary>
    private sealed class FakeTransport(BuilderException? problem = null) : IBuilderTransport, IBuilderChannel
    {
        public int Asked { get; private set; }

        public Stream Stream => Stream.Null;

        public string ErrorOutput => "";

        public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation)
        {
            Asked++;
            return problem is null ? Task.FromResult<IBuilderChannel>(this) : throw problem;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
