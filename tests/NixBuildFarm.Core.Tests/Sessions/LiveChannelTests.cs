using System.Text;
using NixBuildFarm.Builders;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Errors;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Sessions;

public sealed class LiveChannelTests
{
    private readonly MemoryChannel wire = new(1 << 20);

    [Fact]
    public async Task Each_question_has_its_answer()
    {
        await using var live = await OpenAsync();

        await TellAsync("Welcome!\ncores 1\nend\ncores 2\nend\n");

        Assert.Equal(1, (await live.AskAsync(TestContext.Current.CancellationToken)).Cores);
        Assert.Equal(2, (await live.AskAsync(TestContext.Current.CancellationToken)).Cores);
    }

    [Fact]
    public async Task An_answer_may_come_in_pieces()
    {
        await using var live = await OpenAsync();

        var asked = live.AskAsync(TestContext.Current.CancellationToken);
        foreach (var letter in "cores 4\nload 1.5\nend\n") await TellAsync(letter.ToString());

        Assert.Equal((4, 1.5), (await asked is var reading ? reading.Cores : null, reading.Load));
    }

    [Fact]
    public async Task A_login_without_a_shell_is_an_error()
    {
        await using var live = await OpenAsync();

        await wire.Server.DisposeAsync();

        await AssertUntoldAsync(live, "does not tell what its machine has now");
    }

    [Fact]
    public async Task A_shell_without_programs_is_an_error()
    {
        await using var live = await OpenAsync();

        await TellAsync("cores\nload\nmemory\nend\n");

        await AssertUntoldAsync(live, "knows none of the usual programs");
    }

    [Fact]
    public async Task An_endless_answer_is_an_error()
    {
        await using var live = await OpenAsync();

        await TellAsync(new string('x', 2 * LiveChannel.LongestAnswer));

        await AssertUntoldAsync(live, "its answer is too long");
    }

    [Fact]
    public async Task A_machine_that_does_not_answer_is_an_error()
    {
        await using var live = await OpenAsync(TimeSpan.FromMilliseconds(1));

        await AssertUntoldAsync(live, "it has not answered");
    }

    private static async Task AssertUntoldAsync(LiveChannel live, string why)
    {
        var error = await Assert.ThrowsAsync<BuilderException>(() => live.AskAsync(TestContext.Current.CancellationToken));
        Assert.Equal("ruby", error.Builder);
        Assert.Contains(why, error.Message);
    }

    private async Task TellAsync(string text) =>
        await wire.Server.WriteAsync(Encoding.UTF8.GetBytes(text), TestContext.Current.CancellationToken);

    private Task<LiveChannel> OpenAsync(TimeSpan? patience = null) => LiveChannel.OpenAsync(
        new NixBuilder { Name = "ruby", HostName = "ruby", Uri = "ruby", Systems = [], Source = "a test" },
        new Wire(wire.Client),
        patience ?? TimeSpan.FromMinutes(1),
        TimeProvider.System,
        TestContext.Current.CancellationToken);

    private sealed class Wire(Stream stream) : IBuilderTransport, IBuilderChannel
    {
        public Stream Stream => stream;

        public string ErrorOutput => "";

        public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation)
        {
            Assert.Equal(ChannelUse.Live, use);
            return Task.FromResult<IBuilderChannel>(this);
        }

        public ValueTask DisposeAsync() => stream.DisposeAsync();
    }
}
