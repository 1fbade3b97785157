using NixBuildFarm.Errors;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Tests;

/// <summary>A remote program that ends without a word on its output is told by what it is, whoever carries the channel.</summary>
public class RemoteProgramTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(ChannelUse.Build)]
    [InlineData(ChannelUse.Bulk)]
    public async Task A_daemon_that_does_not_run_is_told_as_that(ChannelUse use)
    {
        var error = await FailAsync(
            use, "echo \"error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused\" >&2; exit 1");

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
        Assert.Contains("the Nix daemon of 127.0.0.1 does not run: error: cannot connect", error.Message);
        Assert.Contains("systemctl start nix-daemon", error.Recommendation);
        Assert.DoesNotContain("PATH", error.Recommendation);
    }

    [Theory]
    [InlineData(ChannelUse.Build)]
    [InlineData(ChannelUse.Bulk)]
    public async Task A_forced_nix_store_serve_is_told_as_that(ChannelUse use)
    {
        var error = await FailAsync(use, "head -c 8 > /dev/null; echo 'error: protocol mismatch' >&2; exit 1");

        Assert.Equal(BuilderFailure.Incompatible, error.Failure);
        Assert.Contains("nix-store --serve", error.Message);
        Assert.Contains("nix.sshServe.protocol", error.Recommendation);
    }

    [Theory]
    [InlineData(ChannelUse.Build)]
    [InlineData(ChannelUse.Bulk)]
    public async Task A_program_that_has_spoken_tells_its_own_end(ChannelUse use)
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.Transport("printf hello; echo 'error: protocol mismatch' >&2; exit 1");
        await using var channel = await transport.OpenAsync(use, Cancellation);

        Assert.Equal("hello", await channel.Stream.ReadToEndAsync());
    }

    private static async Task<BuilderException> FailAsync(ChannelUse use, string command)
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.Transport(command);
        await using var channel = await transport.OpenAsync(use, Cancellation);
        // A program that has ended already is told when it is written to.
        return await Assert.ThrowsAsync<BuilderException>(async () =>
        {
            await channel.Stream.WriteTextAsync("greeting");
            await channel.Stream.ReadAsync(1);
        });
    }
}
