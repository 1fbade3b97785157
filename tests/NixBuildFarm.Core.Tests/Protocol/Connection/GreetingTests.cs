using System.Text;
using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Core.Tests.Protocol.Connection;

public class GreetingTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(32, null, nameof(DaemonTrust.Unknown))]
    [InlineData(33, "2.99.0", nameof(DaemonTrust.Unknown))]
    [InlineData(34, "2.99.0", nameof(DaemonTrust.Unknown))]
    [InlineData(35, "2.99.0", nameof(DaemonTrust.Trusted))]
    [InlineData(36, "2.99.0", nameof(DaemonTrust.Trusted))]
    [InlineData(37, "2.99.0", nameof(DaemonTrust.Trusted))]
    [InlineData(38, "2.99.0", nameof(DaemonTrust.Trusted))]
    public async Task Each_version_says_what_it_can_say(int minor, string? nixVersion, string trust)
    {
        var daemon = new FakeDaemon { Version = new(1, (byte)minor) };
        await using var connection = await daemon.OpenAsync();

        Assert.Equal(new ProtocolVersion(1, (byte)minor), connection.Version);
        Assert.Equal(nixVersion, connection.NixVersion);
        Assert.Equal(trust, $"{connection.Trust}");
        Assert.False(await connection.IsValidPathAsync(FakeStore.PathOf("x"), Cancellation));
    }

    [Fact]
    public async Task A_daemon_that_is_newer_than_us_is_spoken_to_in_our_version()
    {
        await using var connection = await new FakeDaemon { Version = new(1, 57) }.OpenAsync();

        Assert.Equal(new ProtocolVersion(1, 38), connection.Version);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task A_feature_is_used_where_both_sides_have_it(bool weHave, bool theyHave)
    {
        var daemon = new FakeDaemon { Version = new(1, 38) { HasRealisationsByPath = theyHave } };
        await using var connection =
            await daemon.OpenAsync(new() { Builder = "ruby", NewestVersion = new(1, 38) { HasRealisationsByPath = weHave } });

        Assert.Equal(weHave && theyHave, connection.Version.HasRealisationsByPath);
        Assert.False(await connection.IsValidPathAsync(FakeStore.PathOf("x"), Cancellation));
    }

    [Fact]
    public void The_feature_is_offered_to_every_daemon() =>
        Assert.Equal(["realisation-with-path-not-hash"], new DaemonConnectionOptions { Builder = "ruby" }.NewestVersion.Features);

    [Fact]
    public async Task A_daemon_says_that_it_does_not_trust_us()
    {
        await using var connection = await new FakeDaemon { Trust = DaemonTrust.NotTrusted }.OpenAsync();

        Assert.Equal(DaemonTrust.NotTrusted, connection.Trust);
    }

    [Theory]
    [InlineData(1, 31, "1.31")]
    [InlineData(1, 21, "1.21")]
    [InlineData(2, 38, "2.38")]
    public async Task A_version_that_is_not_understood_is_refused(byte major, byte minor, string shown)
    {
        var e = await RefusedAsync(new FakeDaemon { Version = new(major, minor) });

        Assert.Equal(BuilderFailure.Incompatible, e.Failure);
        Assert.Contains($"version {shown}", e.Message);
        Assert.Contains("2.4", e.Recommendation);
    }

    [Theory]
    [InlineData("Welcome to ruby!\n", "Welcome to ruby!")]
    [InlineData("Hi", "Hi")]
    [InlineData("\x1b[2J\x1b[31mWelcome,\r\nto ruby\x07!\n", "Welcome,\nto ruby!")]
    public async Task The_output_of_a_start_up_file_is_shown_without_terminal_control(string printed, string shown)
    {
        var e = await RefusedAsync(new FakeDaemon { Faults = new() { Stray = Encoding.UTF8.GetBytes(printed) } });

        Assert.Equal(BuilderFailure.Incompatible, e.Failure);
        Assert.Contains($"“{shown}”", e.Message);
        Assert.Contains("start-up files", e.Recommendation);
    }

    [Fact]
    public async Task A_greeting_without_end_is_shown_up_to_a_limit()
    {
        var e = await RefusedAsync(new FakeDaemon { Faults = new() { Stray = Encoding.UTF8.GetBytes(new string('x', 1 << 20)) } });

        Assert.InRange(e.Message.Length, 4000, 5000);
    }

    [Theory]
    [InlineData("Press any key to go on")]
    [InlineData("Any key")]
    public async Task A_greeting_that_is_followed_by_silence_is_shown(string printed)
    {
        var time = new FakeTimeProvider();
        var (client, server) = Channel();
        await server.WriteAsync(Encoding.UTF8.GetBytes(printed), Cancellation);
        var opening = DaemonConnection.OpenAsync(client, new() { Builder = "ruby", Time = time }, Cancellation);
        await AdvanceUntilAsync(time, opening);

        var e = await Assert.ThrowsAsync<BuilderException>(() => opening);

        Assert.Contains($"“{printed}”", e.Message);
    }

    [Fact]
    public async Task Another_magic_number_is_refused()
    {
        var time = new FakeTimeProvider();
        var (client, server) = Channel();
        await server.WriteAsync(ProtocolBytes.Of(0x5452eecb), Cancellation);
        var opening = DaemonConnection.OpenAsync(client, new() { Builder = "ruby", Time = time }, Cancellation);
        await AdvanceUntilAsync(time, opening);

        var e = await Assert.ThrowsAsync<BuilderException>(() => opening);

        Assert.Equal(BuilderFailure.Incompatible, e.Failure);
    }

    [Fact]
    public async Task A_daemon_that_ends_at_once_is_taken_for_a_missing_nix_and_its_complaint_is_shown()
    {
        var (client, server) = Channel();
        await server.DisposeAsync();
        var options = new DaemonConnectionOptions { Builder = "ruby", ErrorOutput = () => "sh: 1: \x1b[1mnix-daemon\x1b[0m: not found\n" };

        var e = await Assert.ThrowsAsync<BuilderException>(() => DaemonConnection.OpenAsync(client, options, Cancellation));

        Assert.Equal(BuilderFailure.NoNix, e.Failure);
        Assert.Equal("The Nix daemon of ruby ended before it said anything. It complained: sh: 1: nix-daemon: not found", e.Message);
        Assert.Contains("PATH", e.Recommendation);
    }

    [Fact]
    public async Task The_output_before_the_end_is_shown_although_nobody_reads_our_greeting()
    {
        var (client, server) = Channel();
        await server.WriteAsync("This account is currently not available.\n"u8.ToArray(), Cancellation);
        await server.DisposeAsync();

        var e = await Assert.ThrowsAsync<BuilderException>(
            () => DaemonConnection.OpenAsync(client, new() { Builder = "ruby" }, Cancellation));

        Assert.Contains("“This account is currently not available.”", e.Message);
    }

    [Fact]
    public async Task A_daemon_that_says_nothing_is_given_up_after_the_time_limit()
    {
        var time = new FakeTimeProvider();
        var daemon = new FakeDaemon { Faults = new() { IsMute = true } };
        var opening = daemon.OpenAsync(new() { Builder = "ruby", HandshakeTimeout = TimeSpan.FromSeconds(7), Time = time });
        await AdvanceUntilAsync(time, opening);

        var e = await Assert.ThrowsAsync<BuilderException>(() => opening);

        Assert.Equal(BuilderFailure.Unreachable, e.Failure);
        Assert.Contains("within 7 seconds", e.Message);
        await daemon.AllClosedAsync();
    }

    [Fact]
    public async Task A_greeting_can_be_cancelled()
    {
        var daemon = new FakeDaemon { Faults = new() { IsMute = true } };
        using var cancel = new CancellationTokenSource();
        var opening = DaemonConnection.OpenAsync(daemon.Connect(), new() { Builder = "ruby" }, cancel.Token);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
        await daemon.AllClosedAsync();
    }

    [Fact]
    public async Task An_error_in_the_greeting_is_what_the_daemon_says()
    {
        var (client, server) = Channel();
        var opening = DaemonConnection.OpenAsync(client, new() { Builder = "ruby" }, Cancellation);
        await server.WriteAsync(
            ProtocolBytes.Of(0x6478696f, 0x122, "2.8.0", 0x63787470, "Error", 0, "Error", "you may not", 0, 0), Cancellation);

        var e = await Assert.ThrowsAsync<DaemonException>(() => opening);

        Assert.Equal("ruby: you may not", e.Message);
    }

    private static Task<BuilderException> RefusedAsync(FakeDaemon daemon) => Assert.ThrowsAsync<BuilderException>(() => daemon.OpenAsync());

    private static (Stream Client, Stream Server) Channel()
    {
        var channel = new MemoryChannel(64 << 10);
        return (channel.Client, channel.Server);
    }

    // What has arrived is read before OpenAsync first waits. A later wait may not have begun when the clock moves, so it moves until all is
    // done.
    private static Task AdvanceUntilAsync(FakeTimeProvider time, Task opening) =>
        Until.TrueAsync(() => opening.IsCompleted, "the greeting ends", () => time.Advance(TimeSpan.FromSeconds(1)));
}
