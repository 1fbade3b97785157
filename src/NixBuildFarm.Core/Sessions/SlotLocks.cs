using System.Globalization;
using System.Text;
using System.Threading.Channels;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>
/// The slots of a builder that builds of this session take: locks there (<see cref="SlotScript"/>), so that all who share the builder
/// together never fill it twice. They are taken over one channel, which is opened when the first is asked for. Where there can be none, all
/// go on without. Safe for concurrent use.
/// </summary>
/// <param name="builder">The builder.</param>
/// <param name="transport">Reaches it. It belongs to the session's owner.</param>
/// <param name="time">The clock.</param>
internal sealed partial class SlotLocks(NixBuilder builder, IBuilderTransport transport, TimeProvider time) : IAsyncDisposable
{
    private const int LongestLine = 256;

    /// <summary>
    /// How long the script may take to begin, and to end. The builder that is slow to begin it is the one that is not to be filled twice.
    /// </summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2), Farewell = TimeSpan.FromSeconds(1);

    /// <summary>Between two tries to open a session.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly int slots = Math.Min(
        SlotScript.Most, builder.OtherEntries.Select(entry => entry.MaxJobs).Append(builder.MaxJobs).Max());

    private readonly object gate = new();
    private readonly Channel<string> lines = Channel.CreateUnbounded<string>();
    private readonly CancellationTokenSource closing = new();
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Those who want a slot, in their order.</summary>
    private readonly LinkedList<SlotRequest> waiting = new();

    /// <summary>By the number of an ask: the slot that it would like, or has.</summary>
    private readonly Dictionary<int, int> asked = [], held = [];

    /// <summary>Asks that others hold up.</summary>
    private readonly HashSet<int> heldUp = [];

    /// <summary>By the number of an ask: how its slot is given back.</summary>
    private readonly Dictionary<int, string> receipts = [];

    private Task? running;
    private bool isClosed;

    /// <summary>The number of the script on the builder; 0: it has not begun.</summary>
    private int script;

    /// <summary>Why builds go on without slots; null: they have them, or none was asked for yet.</summary>
    public string? WhyNone { get; private set; }

    /// <summary>Builds need no slots from now on.</summary>
    /// <param name="why">Why, for the user.</param>
    public void GoOnWithout(string why)
    {
        lock (gate) GoWithout(why);
    }

    /// <summary>Asks for a slot, which is had until the request is disposed of.</summary>
    /// <param name="holder">Who asks: <see cref="SlotHolder.NameOf"/>. The first to ask speaks for all.</param>
    public SlotRequest Ask(string holder)
    {
        var request = new SlotRequest(this);
        lock (gate)
        {
            if (WhyNone is not null || slots == 0) request.Take(0);
            else if (spare.TryPop(out var ask) || Leases.TryTake(out ask)) request.Take(ask);
            else waiting.AddLast(request);
            if (request.Taken.IsCompleted) return request;
            running ??= Task.Run(() => RunAsync(holder));
            Pump();
        }
        return request;
    }

    /// <summary>Gives all slots back.</summary>
    public async ValueTask DisposeAsync()
    {
        Task? all;
        lock (gate)
        {
            if (isClosed) return;
            (isClosed, all) = (true, running);
            GoWithout("the session is over");
        }
        lines.Writer.TryWrite("end");
        lines.Writer.TryComplete();
        // A script that has not begun reads no farewell.
        if (all is not null && ready.Task.IsCompletedSuccessfully) await Task.WhenAny(all, Task.Delay(Farewell, time));
        await closing.CancelAsync();
        if (all is not null) await all;
        if (leases is not null) await leases.DisposeAsync();
        closing.Dispose();
    }

    /// <summary>Who holds the slots of the builder now, whoever it is; none where that cannot be told.</summary>
    public Task<IReadOnlyList<SlotHolder>> HoldersAsync(CancellationToken cancellation) =>
        SlotQuestion.AskAsync(transport, time, cancellation);

    /// <summary>
    /// Whether slots are held by earlier connections of who asks here, and by nobody else. What this one holds is known by its script: it
    /// may take slots and give them back while the question is under way.
    /// </summary>
    /// <param name="holders">The answer.</param>
    /// <param name="name">Who asks: <see cref="SlotHolder.NameOf"/>.</param>
    public bool AreLeftBehind(IReadOnlyList<SlotHolder> holders, string name) =>
        holders.All(holder => holder.IsCalled(name)) && holders.Any(holder => holder.Script != Volatile.Read(ref script));

    /// <summary>A request is disposed of.</summary>
    internal void End(SlotRequest request)
    {
        lock (gate)
        {
            if (request.Number is { } ask) GiveBack(ask);
            else waiting.Remove(request);
            Pump();
        }
    }

    private async Task RunAsync(string holder)
    {
        var why = "the connection for them has ended";
        var writing = Task.CompletedTask;
        try
        {
            await using var channel = await OpenAsync();
            writing = WriteAsync(channel.Stream, string.Create(CultureInfo.InvariantCulture, $"{slots} {holder}"));
            var reading = ReadAsync(channel.Stream);
            var begins = Task.WhenAny(ready.Task, reading);
            using (var patience = new SilenceWatch(Patience, time, closing.Token)) await begins.WaitAsync(patience.Token);
            await reading;
        }
        catch (OperationCanceledException) when (!closing.IsCancellationRequested)
        {
            why = "the script for them does not begin";
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException or OperationCanceledException or ObjectDisposedException
            or NotSupportedException)
        {
            why = e.Message;
        }
        finally
        {
            // However it has ended, nobody may wait for it.
            GoOnWithout(why);
            ready.TrySetCanceled();
            lines.Writer.TryComplete();
        }
        await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>A builder that is too busy to open a session in time is asked again: it is not to be filled twice either.</summary>
    private async Task<IBuilderChannel> OpenAsync()
    {
        for (var begun = time.GetTimestamp(); ; await Task.Delay(Pause, time, closing.Token))
        {
            try
            {
                return await transport.OpenAsync(ChannelUse.Slots, closing.Token);
            }
            catch (BuilderException e) when (e.Failure == BuilderFailure.Unreachable && time.GetElapsedTime(begun) < Patience)
            {
                // It may open the next one.
            }
        }
    }

    private async Task WriteAsync(Stream stream, string first)
    {
        await SendAsync(first);
        await ready.Task.WaitAsync(closing.Token);
        await foreach (var line in lines.Reader.ReadAllAsync(closing.Token)) await SendAsync(line);

        async Task SendAsync(string line)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(line + "\n"), closing.Token);
            await stream.FlushAsync(closing.Token);
        }
    }

    /// <summary>Reads to the end. What is too long for a line of the script is none.</summary>
    private async Task ReadAsync(Stream stream)
    {
        var (buffer, line) = (new byte[512], new StringBuilder());
        while (await stream.ReadAsync(buffer, closing.Token) is > 0 and var count)
        {
            foreach (var letter in buffer.AsSpan(0, count))
            {
                if (letter != '\n')
                {
                    if (line.Length <= LongestLine) line.Append((char)letter);
                    continue;
                }
                lock (gate) Hear(line.ToString());
                line.Clear();
            }
        }
    }

    private void Hear(string line)
    {
        switch (line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            case ["ready", var number] when Number(number) is { } process:
                script = process;
                ready.TrySetResult();
                break;
            case ["none", var why]:
                GoWithout(why == "flock" ? "it has no flock" : $"its folder {SlotScript.Folder} cannot be used by all");
                break;
            case ["waits", var number] when Number(number) is { } ask && asked.ContainsKey(ask):
                heldUp.Add(ask);
                break;
            case ["taken", var number, var slot, .. var process]
                when Number(number) is { } ask && Number(slot) is { } taken && asked.ContainsKey(ask)
                    && (process is [] || (process is [var id] && Number(id) > 1)):
                OnTaken(ask, taken, line["taken ".Length..]);
                break;
        }
        Pump();
    }

    private void OnTaken(int ask, int slot, string receipt)
    {
        asked.Remove(ask);
        // Where others hold slots, they have their turn after each build.
        if (!heldUp.Remove(ask)) Leases.Begin(ask);
        held[ask] = slot;
        receipts[ask] = receipt;
        if (waiting.First?.Value is { } next) Hand(ask, next);
        else GiveBack(ask);
    }

    private void Hand(int ask, SlotRequest next)
    {
        waiting.RemoveFirst();
        next.Take(ask);
    }

    private void GiveBack(int ask)
    {
        Leases.End(ask);
        if (!held.Remove(ask)) return;
        if (receipts.Remove(ask, out var receipt)) lines.Writer.TryWrite($"give {receipt}");
    }

    /// <summary>
    /// Asks for as many slots as are wanted; for no more while others hold one up, so that nobody stands in their queue twice.
    /// </summary>
    private void Pump()
    {
        if (WhyNone is not null) return;
        while (heldUp.Count == 0 && asked.Count < waiting.Count && asked.Count + held.Count < slots)
        {
            var ask = First(number => !asked.ContainsKey(number) && !held.ContainsKey(number));
            var slot = First(number => !asked.ContainsValue(number) && !held.ContainsValue(number));
            asked[ask] = slot;
            lines.Writer.TryWrite(string.Create(CultureInfo.InvariantCulture, $"take {ask} {slot}"));
        }
        if (heldUp.Count == 0) return;
        foreach (var request in waiting) request.HoldUp();
    }

    private int First(Func<int, bool> isFree)
    {
        for (var number = 1; number <= slots; number++)
        {
            if (isFree(number)) return number;
        }
        return 1;
    }

    private void GoWithout(string why)
    {
        WhyNone ??= why;
        foreach (var request in waiting) request.Take(0);
        waiting.Clear();
        spare.Clear();
        while (Leases.TryTake(out var ask)) GiveBack(ask);
    }

    private static int? Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
