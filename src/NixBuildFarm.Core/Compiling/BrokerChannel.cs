using System.Threading.Channels;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;
using NixBuildFarm.Text;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Compiling;

/// <summary>The way to the shims of one build: the broker, which listens on its builder for them, and ends with this.</summary>
internal sealed class BrokerChannel : IAsyncDisposable
{
    private const string Greeting = "nixbuildfarm-broker 1 ";
    private const int LongestGreeting = 256;

    /// <summary>How long a broker may take to start.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly IBuilderChannel channel;
    private readonly Func<long, CancellationToken, ValueTask> payAsync;
    private readonly Channel<BrokerFrame> toSend = Channel.CreateUnbounded<BrokerFrame>(new() { SingleReader = true });
    private readonly CancellationTokenSource closing = new();
    private readonly Task writing;

    private BrokerChannel(IBuilderChannel channel, string folder, Func<long, CancellationToken, ValueTask> payAsync)
    {
        (this.channel, Folder, this.payAsync) = (channel, folder, payAsync);
        writing = WriteAsync();
    }

    /// <summary>The folder on the builder with the socket.</summary>
    public string Folder { get; }

    /// <summary>Starts a broker.</summary>
    /// <param name="at">The builder.</param>
    /// <param name="shim">The program.</param>
    /// <param name="payAsync">Waits until so many bytes may leave this machine.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="OddFrameException">What starts is no broker.</exception>
    /// <exception cref="BuilderException">The builder cannot be reached.</exception>
    public static async Task<BrokerChannel> OpenAsync(
        BuilderSession at, StorePath shim, Func<long, CancellationToken, ValueTask> payAsync, CancellationToken cancellation)
    {
        using var patience = new SilenceWatch(Patience, TimeProvider.System, cancellation);
        var opened = await at.OpenAsync(new StoreProgram(shim, "broker"), patience.Token);
        try
        {
            return new(opened, await ReadFolderAsync(opened, patience.Token).WaitAsync(patience.Token), payAsync);
        }
        catch (Exception e)
        {
            await opened.DisposeAsync();
            if (e is not OperationCanceledException || cancellation.IsCancellationRequested) throw;
            throw new OddFrameException($"the broker says nothing for {Patience.TotalSeconds:0} s");
        }
    }

    /// <summary>Has something sent, after what was to be sent before.</summary>
    public void Send(BrokerFrame frame) => toSend.Writer.TryWrite(frame);

    /// <summary>Reads until the broker ends, or this is disposed of.</summary>
    /// <param name="take">Is called with each frame.</param>
    /// <returns>Why there is no more to read.</returns>
    public async Task<string> ReadAsync(Action<BrokerFrame> take)
    {
        try
        {
            var header = new byte[BrokerFrame.HeaderSize];
            while (true)
            {
                var first = await channel.Stream.ReadAtLeastAsync(header, 1, throwOnEndOfStream: false, closing.Token);
                if (first == 0) return "it has ended";
                await channel.Stream.ReadExactlyAsync(header.AsMemory(first), closing.Token);
                var frame = BrokerFrame.ReadHeader(header, out var length);
                var payload = new byte[length];
                await channel.Stream.ReadExactlyAsync(payload, closing.Token);
                take(frame with { Payload = payload });
            }
        }
        catch (Exception e) when (e is OddFrameException || IsEnd(e))
        {
            return e.Message;
        }
    }

    /// <summary>Ends the broker, and with it the hope of every shim that still waits.</summary>
    public async ValueTask DisposeAsync()
    {
        toSend.Writer.TryComplete();
        await closing.CancelAsync();
        await channel.DisposeAsync();
        await writing;
    }

    private static async Task<string> ReadFolderAsync(IBuilderChannel channel, CancellationToken cancellation)
    {
        var line = new List<byte>();
        var one = new byte[1];
        while (line.Count < LongestGreeting && await channel.Stream.ReadAsync(one, cancellation) == 1 && one[0] != '\n') line.Add(one[0]);
        var greeting = NixText.GetString([.. line]);
        if (one[0] == '\n' && greeting.StartsWith(Greeting, StringComparison.Ordinal)) return greeting[Greeting.Length..];
        throw new OddFrameException($"what starts is no broker: “{Printable.Replaced(greeting)}” {channel.ErrorOutput}".TrimEnd());
    }

    private async Task WriteAsync()
    {
        try
        {
            await foreach (var frame in toSend.Reader.ReadAllAsync(closing.Token))
            {
                await payAsync(BrokerFrame.HeaderSize + frame.Payload.Length, closing.Token);
                await channel.Stream.WriteAsync(frame.Header(), closing.Token);
                if (!frame.Payload.IsEmpty) await channel.Stream.WriteAsync(frame.Payload, closing.Token);
                if (!toSend.Reader.TryPeek(out _)) await channel.Stream.FlushAsync(closing.Token);
            }
        }
        catch (Exception e) when (IsEnd(e))
        {
            // The reading side learns of it too. Nobody waits for what is still to be sent: shims that lose the broker compile at home.
            toSend.Writer.TryComplete();
        }
    }

    /// <summary>Each kind of stream that is closed under a reader or a writer fails in its own way.</summary>
    private bool IsEnd(Exception e) => closing.IsCancellationRequested || e is IOException or BuilderException;
}
