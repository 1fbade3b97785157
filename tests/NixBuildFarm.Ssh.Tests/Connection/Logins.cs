using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>What a login to a server must come to.</summary>
internal static class Logins
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task AssertWorksAsync(SshServer server, NixBuilder builder, TransportOptions? options = null)
    {
        await using var transport = server.Transport(builder, options);
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await channel.Stream.WriteTextAsync("hello");
        Assert.Equal("hello", await channel.Stream.ReadAsync(5));
    }

    public static async Task<BuilderException> AssertFailsAsync(SshServer server, NixBuilder builder, TransportOptions? options = null)
    {
        await using var transport = server.Transport(builder, options);
        var error = await Assert.ThrowsAsync<BuilderException>(
            () => transport.OpenAsync(ChannelUse.Build, Cancellation).WaitAsync(Until.Limit, Cancellation));
        TestContext.Current.TestOutputHelper?.WriteLine($"{error.Message}\n  → {error.Recommendation}");
        Assert.Equal("ruby", error.Builder);
        Assert.Contains("ruby", error.Message);
        Assert.NotNull(error.Recommendation);
        return error;
    }
}
