using System.Text;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>
/// Reads what a builder's machine has, again and again, by <see cref="MachineReading.Question"/>. The script that answers ends with the
/// channel. For one caller at a time.
/// </summary>
internal sealed class LiveChannel : IAsyncDisposable
{
    /// <summary>Longer answers are none: with all builds and the longest names it has a quarter of this.</summary>
    internal const int LongestAnswer = 64 * 1024;

    private const int UsualAnswer = 4 * 1024;
    private static readonly byte[] Next = "\n"u8.ToArray();
    private static readonly TimeSpan Farewell = TimeSpan.FromMilliseconds(500);

    /// <summary>How long an answer may take during a run. A machine that is as busy as that is asked anew later.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly NixBuilder builder;
    private readonly IBuilderChannel channel;
    private readonly TimeSpan patience;
    private readonly TimeProvider time;
    private byte[] received = new byte[UsualAnswer];
    private int count;

    private LiveChannel(NixBuilder builder, IBuilderChannel channel, TimeSpan patience, TimeProvider time) =>
        (this.builder, this.channel, this.patience, this.time) = (builder, channel, patience, time);

    /// <summary>Opens the channel; the builder is not asked yet.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="transport">Reaches it.</param>
    /// <param name="patience">How long each answer may take.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="BuilderException">The builder cannot be reached.</exception>
    public static async Task<LiveChannel> OpenAsync(
        NixBuilder builder, IBuilderTransport transport, TimeSpan patience, TimeProvider time, CancellationToken cancellation) =>
        new(builder, await transport.OpenAsync(ChannelUse.Live, cancellation), patience, time);

    /// <summary>Asks for a reading.</summary>
    /// <exception cref="BuilderException">The machine does not tell, or the connection is lost.</exception>
    public async Task<MachineReading> AskAsync(CancellationToken cancellation)
    {
        using var limited = new SilenceWatch(patience, time, cancellation);
        try
        {
            await channel.Stream.WriteAsync(Next, limited.Token);
            await channel.Stream.FlushAsync(limited.Token);
            var reading = MachineReadingParser.Parse(await ReadAsync(limited.Token)) with { Name = builder.Name };
            return reading.IsEmpty ? throw Untold("its shell knows none of the usual programs") : reading;
        }
        catch (OperationCanceledException) when (limited.HasRunOut && !cancellation.IsCancellationRequested)
        {
            throw Untold($"it has not answered within {patience.TotalSeconds:0} s");
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            throw Untold(e.Message, e);
        }
    }

    /// <summary>Ends the script, and does not wait long for a builder that does not answer.</summary>
    public async ValueTask DisposeAsync() => await channel.DisposeAsync()
        .AsTask()
        .WaitAsync(Farewell, TimeProvider.System)
        .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private async Task<string> ReadAsync(CancellationToken cancellation)
    {
        var seen = 0;
        while (true)
        {
            var end = EndOfAnswer(seen);
            if (end >= 0)
            {
                var answer = Encoding.UTF8.GetString(received, 0, end);
                received.AsSpan(end, count - end).CopyTo(received);
                count -= end;
                return answer;
            }
            if (count == LongestAnswer) throw Untold("its answer is too long");
            seen = count;
            if (count == received.Length) Array.Resize(ref received, 2 * count);
            var more = await channel.Stream.ReadAsync(received.AsMemory(count), cancellation);
            if (more == 0) throw Untold("its login does not run a shell for us");
            count += more;
        }
    }

    /// <summary>Where the line ends that ends an answer; -1: it has not come.</summary>
    /// <param name="seen">How many bytes were looked at before.</param>
    private int EndOfAnswer(int seen)
    {
        // The mark may have come in two pieces.
        var from = Math.Max(0, seen - EndMark.Length);
        var at = received.AsSpan(from, count - from).IndexOf(EndMark);
        return at < 0 ? -1 : from + at + EndMark.Length;
    }

    private static ReadOnlySpan<byte> EndMark => "\nend\n"u8;

    private BuilderException Untold(string why, Exception? cause = null) => new(
        builder.Name, BuilderFailure.Incompatible, $"{builder.Name} does not tell what its machine has now: {why.TrimEnd('.')}.",
        inner: cause);
}
