using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Serving;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Fuzz.Tests;

/// <summary>
/// What is behind a front: a local daemon that says so many bytes, whatever it is asked, and a farm that has built everything already.
/// </summary>
internal sealed class FrontStandIn(byte[] daemon) : IBuilderTransport, IBuildService
{
    public IReadOnlyList<string> Runs => [];

    public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
        Task.FromResult<IBuilderChannel>(new Channel(daemon));

    public BuildTicket Begin(BuildOrder order, IBuildObserver observer, CancellationToken cancellation) =>
        new("run", Task.FromResult<IReadOnlyList<NixBuildResult>>([]));

    public bool Stop(string runId) => false;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed class Channel(byte[] says) : IBuilderChannel
    {
        public Stream Stream { get; } = new DuplexStream(new MemoryStream(says), Stream.Null);

        public string ErrorOutput => "";

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
