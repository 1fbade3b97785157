using System.IO.Pipelines;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary>A duplex stream in memory whose two directions hold so many bytes before the writer has to wait.</summary>
// The client may close its end at any later time: there is no moment at which its token could be disposed of.
#pragma warning disable CA1001
internal sealed class MemoryChannel
#pragma warning restore CA1001
{
    private readonly CancellationTokenSource clientGone = new();

    public MemoryChannel(int capacity)
    {
        var options = new PipeOptions(
            pauseWriterThreshold: capacity, resumeWriterThreshold: Math.Max(1, capacity / 2), useSynchronizationContext: false);
        var (up, down) = (new Pipe(options), new Pipe(options));
        Client = new End(down.Reader, up.Writer, clientGone.Cancel);
        Server = new End(up.Reader, down.Writer, () => { });
    }

    public Stream Client { get; }

    public Stream Server { get; }

    /// <summary>Is cancelled when the client closes its end.</summary>
    public CancellationToken ClientGone => clientGone.Token;

    private sealed class End(PipeReader reader, PipeWriter writer, Action closed) : AsyncStream
    {
        private readonly Stream input = reader.AsStream();
        private readonly Stream output = writer.AsStream();
        private int isClosed;

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            input.ReadAsync(buffer, cancellationToken);

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            // A pipe takes a write of any size at once and then waits; a socket takes as much as it holds.
            while (buffer.Length > 0)
            {
                var count = Math.Min(buffer.Length, 1024);
                var result = await writer.WriteAsync(buffer[..count], cancellationToken);
                if (result.IsCompleted) throw new IOException("Broken pipe");
                buffer = buffer[count..];
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing && Interlocked.Exchange(ref isClosed, 1) == 0)
            {
                closed();
                output.Dispose();
                input.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}
