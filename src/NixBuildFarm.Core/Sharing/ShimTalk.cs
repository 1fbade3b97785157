using System.Buffers;
using System.Security.Cryptography;
using NixBuildFarm.Store;
using NixBuildFarm.Text;

namespace NixBuildFarm.Sharing;

/// <summary>
/// How far the talk with one shim is:
/// <code>
///   Asking ──► Scanning ──► Described ──► Sending ──► Compiling ──► Ended ──► Gone
/// </code>
/// From each of them it may go to Ended (compile at home), and to Gone.
/// </summary>
internal enum ShimStep
{
    /// <summary>A compile has been asked for, and waits for a slot.</summary>
    Asking,

    /// <summary>The shim scans, and describes the unit.</summary>
    Scanning,

    /// <summary>The unit is known.</summary>
    Described,

    /// <summary>The shim sends files.</summary>
    Sending,

    /// <summary>All that was asked for is there.</summary>
    Compiling,

    /// <summary>
    /// The shim has its answer: a result, or to compile at home. What it still says counts for nothing, but for what a result has cost.
    /// </summary>
    Ended,

    /// <summary>The shim is gone, and the compiler that it became.</summary>
    Gone,
}

/// <summary>What a shim has said.</summary>
internal abstract record ShimNews
{
    private ShimNews()
    {
    }

    /// <summary>The unit is described.</summary>
    public sealed record Described(CompileUnit Unit) : ShimNews;

    /// <summary>The content of a file has come.</summary>
    public sealed record Received(int File, ReadOnlyMemory<byte> Content) : ShimNews;

    /// <summary>It compiles at home by its own decision.</summary>
    public sealed record AtHome(string Why) : ShimNews;

    /// <summary>It has said what it cannot say here: this compile is done at home.</summary>
    public sealed record Odd(string Why) : ShimNews;

    /// <summary>It has written a helper's result. What that has cost at home: processor time to read the text, and for the rest.</summary>
    public sealed record Spent(TimeSpan Reading, TimeSpan Rest) : ShimNews;

    /// <summary>It is gone.</summary>
    public sealed record Gone : ShimNews;
}

/// <summary>
/// The talk with one shim: which frame may come when, and what it means. What the coordinator wants to say is checked as well.
/// </summary>
internal sealed class ShimTalk
{
    /// <summary>No shim has more than an hour.</summary>
    private const ulong MostMicroseconds = 3_600_000_000;

    private readonly uint connection;
    private readonly ArrayBufferWriter<byte> chunks = new();
    private readonly Queue<int> awaited = new();
    private bool wasAnswered;
    private CompileUnit? unit;

    private ShimTalk(uint connection, CompilerTool tool, string source, string? reasonToStay) =>
        (this.connection, Tool, Source, ReasonToStay) = (connection, tool, source, reasonToStay);

    /// <summary>How far it is.</summary>
    public ShimStep Step { get; private set; }

    /// <summary>The tool that was called.</summary>
    public CompilerTool Tool { get; }

    /// <summary>The source, for the user's eyes.</summary>
    public string Source { get; }

    /// <summary>Why the compile has to be done at home; null: it may be shared.</summary>
    public string? ReasonToStay { get; }

    /// <summary>Begins with the first frame of a shim.</summary>
    /// <exception cref="OddFrameException">No talk begins so.</exception>
    public static ShimTalk Begin(BrokerFrame frame)
    {
        if (frame.Kind != FrameKind.Hello) throw new OddFrameException($"a shim began with {frame.Kind}");
        var reader = new FieldReader(frame.Payload);
        var (tool, source, stays) = (ReadText(reader), ReadText(reader), ReadText(reader));
        reader.End();
        return tool switch
        {
            "cc1" => new(frame.Connection, CompilerTool.C, source, Reason(stays)),
            "cc1plus" => new(frame.Connection, CompilerTool.CPlusPlus, source, Reason(stays)),
            _ => throw new OddFrameException($"“{tool}” is no compiler that is shared"),
        };

        static string? Reason(string text) => text.Length == 0 ? null : text;

        static string ReadText(FieldReader reader) => Printable.Replaced(NixText.GetString(reader.ReadText().Span));
    }

    /// <summary>Takes what the shim says.</summary>
    /// <returns>What it means; null: nothing yet.</returns>
    public ShimNews? Take(BrokerFrame frame)
    {
        if (Step == ShimStep.Gone) return null;
        if (frame.Kind == FrameKind.Closed)
        {
            Step = ShimStep.Gone;
            return new ShimNews.Gone();
        }
        try
        {
            if (Step == ShimStep.Ended) return frame.Kind == FrameKind.Spent ? TakeCost(new(frame.Payload)) : null;
            return (Step, frame.Kind) switch
            {
                (_, FrameKind.Local) => TakeLeave(new(frame.Payload)),
                (ShimStep.Scanning, FrameKind.Unit) => TakeUnit(new(frame.Payload)),
                (ShimStep.Sending, FrameKind.Content) => TakeContent(new(frame.Payload)),
                _ => throw new OddFrameException($"a shim said {frame.Kind} while {Step}"),
            };
        }
        catch (OddFrameException e)
        {
            return Step == ShimStep.Ended ? null : new ShimNews.Odd(e.Message);
        }
    }

    /// <summary>Has the shim compile at home.</summary>
    public BrokerFrame CompileHere()
    {
        Go(ShimStep.Ended, ShimStep.Asking, ShimStep.Scanning, ShimStep.Described, ShimStep.Sending, ShimStep.Compiling);
        Forget();
        return Frame(FrameKind.Local);
    }

    /// <summary>Has the shim wait, although there is nothing to say yet.</summary>
    /// <param name="seconds">For how long; 1 to 3600.</param>
    public BrokerFrame Wait(int seconds) => Frame(FrameKind.Wait, new FieldWriter().UInt32((uint)seconds).ToArray());

    /// <summary>Has the shim scan.</summary>
    public BrokerFrame Describe()
    {
        Go(ShimStep.Scanning, ShimStep.Asking);
        return Frame(FrameKind.Describe);
    }

    /// <summary>Asks for the contents of files.</summary>
    /// <param name="files">Their indexes in the unit.</param>
    /// <returns>What to say; null: nothing, for no file is wanted.</returns>
    public BrokerFrame? Send(IReadOnlyList<int> files)
    {
        Go(files.Count == 0 ? ShimStep.Compiling : ShimStep.Sending, ShimStep.Described);
        if (files.Count == 0) return null;
        foreach (var file in files) awaited.Enqueue(file);
        var writer = new FieldWriter();
        return Frame(FrameKind.Send, writer.List(files, file => writer.UInt32((uint)file)).ToArray());
    }

    /// <summary>Gives the shim the result.</summary>
    public IEnumerable<BrokerFrame> Answer(CompileResult result)
    {
        Go(ShimStep.Ended, ShimStep.Described, ShimStep.Compiling);
        wasAnswered = true;
        Forget();
        return Frames(result);
    }

    private IEnumerable<BrokerFrame> Frames(CompileResult result)
    {
        var output = result.Output;
        for (var start = 0; start < output.Length; start += SharingLimits.Payload)
        {
            yield return Frame(FrameKind.Output, output[start..Math.Min(output.Length, start + SharingLimits.Payload)]);
        }
        yield return Frame(FrameKind.Result, new FieldWriter().UInt32(0).Text(result.Messages.Span).ToArray());
    }

    private ShimNews.AtHome TakeLeave(FieldReader reader)
    {
        var why = Printable.Replaced(NixText.GetString(reader.ReadText().Span));
        Step = ShimStep.Ended;
        Forget();
        return new(why);
    }

    private ShimNews.Described? TakeUnit(FieldReader reader)
    {
        var isLast = reader.ReadFlag();
        if (chunks.WrittenCount + reader.Left > SharingLimits.Description)
        {
            throw new OddFrameException($"a unit is described in more than {SharingLimits.Description} bytes");
        }
        chunks.Write(reader.ReadRest().Span);
        if (!isLast) return null;
        unit = CompileUnit.Read(TakeChunks());
        Step = ShimStep.Described;
        return new(unit);
    }

    private ShimNews.Received? TakeContent(FieldReader reader)
    {
        var index = awaited.Peek();
        var named = reader.ReadUInt32();
        if (named != index) throw new OddFrameException($"file {index} was asked for, but {named} came");
        var file = unit!.Files[index];
        var isLast = reader.ReadFlag();
        if (chunks.WrittenCount + reader.Left > file.Size) throw new OddFrameException($"file {index} is longer than it was said to be");
        chunks.Write(reader.ReadRest().Span);
        if (!isLast) return null;
        var content = TakeChunks();
        if (content.Length != file.Size || new Sha256Hash(SHA256.HashData(content)) != file.Hash)
        {
            throw new OddFrameException($"file {index} is not what it was said to be");
        }
        awaited.Dequeue();
        if (awaited.Count == 0) Step = ShimStep.Compiling;
        return new(index, content);
    }

    private ShimNews.Spent? TakeCost(FieldReader reader)
    {
        var (reading, rest) = (reader.ReadUInt64(), reader.ReadUInt64());
        reader.End();
        // It can only say too much of itself: then sharing seems to save less than it does.
        return wasAnswered && Math.Max(reading, rest) < MostMicroseconds
            ? new(TimeSpan.FromMicroseconds((long)reading), TimeSpan.FromMicroseconds((long)rest))
            : null;
    }

    private byte[] TakeChunks()
    {
        var all = chunks.WrittenSpan.ToArray();
        chunks.ResetWrittenCount();
        return all;
    }

    private void Forget()
    {
        chunks.Clear();
        awaited.Clear();
        unit = null;
    }

    private void Go(ShimStep next, params ShimStep[] from)
    {
        if (!from.Contains(Step)) throw new InvalidOperationException($"A shim that is {Step} cannot become {next}.");
        Step = next;
    }

    private BrokerFrame Frame(FrameKind kind, ReadOnlyMemory<byte> payload = default) => new(connection, kind, payload);
}
