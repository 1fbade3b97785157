using System.Text;
using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Builders;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Sessions;

/// <summary>A builder that pushes itself: every push comes to an end.</summary>
public sealed class PushChannelTests : IAsyncDisposable
{
    private const string Store = "ftp://user:secret@host";
    private static readonly NixBuilder Ruby = new() { Name = "ruby", HostName = "ruby", Uri = "ruby", Systems = [], Source = "a test" };

    private readonly MemoryChannel wire = new(1 << 20);
    private readonly FakeTimeProvider time = new();
    private readonly SessionPool pool;

    public PushChannelTests() => pool = new(Ruby, new Wire(wire.Client), new DaemonOptions());

    public ValueTask DisposeAsync() => pool.DisposeAsync();

    [Fact]
    public async Task A_builder_that_is_lost_during_its_push_is_an_error()
    {
        var pushing = await BeginAsync();

        await pool.DisposeAsync();

        Assert.Equal("ruby", (await Assert.ThrowsAsync<BuilderException>(() => pushing)).Builder);
    }

    [Fact]
    public async Task A_push_that_says_nothing_for_too_long_is_an_error()
    {
        var pushing = await BeginAsync();

        await Until.TrueAsync(
            () => pushing.IsCompleted, "the silence is noticed", () => time.Advance(PushChannel.Patience / 100));

        Assert.Contains("has said nothing for 30 minutes", (await Assert.ThrowsAsync<NixBuildFarmException>(() => pushing)).Message);
    }

    [Fact]
    public async Task What_Nix_says_of_the_store_is_told_without_its_password()
    {
        var pushing = await BeginAsync();

        await wire.Server.WriteAsync(
            Encoding.UTF8.GetBytes($"error: {Store} does not answer\n\nend 1\n"), TestContext.Current.CancellationToken);
        await wire.Server.DisposeAsync();

        var e = await Assert.ThrowsAsync<NixBuildFarmException>(() => pushing);
        Assert.Equal("ruby: ftp://host does not answer", e.Message);
    }

    private async Task<Task> BeginAsync()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var pushing = pool.PushAsync(Store, [FakeStore.PathOf("built")], time, cancellation);
        await wire.Server.ReadExactlyAsync(new byte[Store.Length], cancellation);
        return pushing;
    }

    private sealed class Wire(Stream stream) : IBuilderTransport, IBuilderChannel
    {
        public Stream Stream => stream;

        public string ErrorOutput => "";

        public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation)
        {
            Assert.Equal(ChannelUse.Push, use);
            return Task.FromResult<IBuilderChannel>(this);
        }

        public ValueTask DisposeAsync() => stream.DisposeAsync();
    }
}
