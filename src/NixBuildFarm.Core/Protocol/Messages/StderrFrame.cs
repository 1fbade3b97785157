using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>
/// A frame between a request and its reply: a message, an error or the end. At most one of the properties is set; none: the end.
/// </summary>
internal readonly record struct StderrFrame(DaemonMessage? Message, DaemonError? Error)
{
    private const ulong NextTag = 0x6f6c6d67;
    private const ulong LastTag = 0x616c7473;
    private const ulong StartActivityTag = 0x53545254;
    private const ulong StopActivityTag = 0x53544f50;
    private const ulong ResultTag = 0x52534c54;
    private const ulong NumberField = 0;
    private const ulong TextField = 1;

    /// <summary>The beginning of an error, also of one in place of a NAR.</summary>
    public const ulong ErrorTag = 0x63787470;

    /// <summary>Reads the next one. Of a long line of a log the sink is given all pieces but the last.</summary>
    public static async ValueTask<StderrFrame> ReadAsync(
        WireReader reader, CancellationToken cancellation, Action<DaemonMessage>? sink = null)
    {
        reader.BeginMessage();
        return await reader.ReadUInt64Async(cancellation) switch
        {
            LastTag => default,
            ErrorTag => new(null, await DaemonError.ReadAsync(reader, cancellation)),
            NextTag => new(new DaemonLogLine((await reader.ReadBeginningAsync(cancellation)).TrimEnd('\n')), null),
            StartActivityTag => new(await ReadStartAsync(reader, cancellation), null),
            StopActivityTag => new(new ActivityStopped(await reader.ReadUInt64Async(cancellation)), null),
            ResultTag => new(await ReadResultAsync(reader, sink, cancellation), null),
            var tag => throw new WireException($"0x{tag:x} is no message of a daemon."),
        };
    }

    private static async ValueTask<DaemonMessage> ReadStartAsync(WireReader reader, CancellationToken cancellation) => new ActivityStarted(
        Id: await reader.ReadUInt64Async(cancellation),
        Level: (Verbosity)await reader.ReadInt32Async(cancellation),
        Type: (ActivityType)await reader.ReadInt32Async(cancellation),
        Text: await reader.ReadBeginningAsync(cancellation),
        Fields: await ReadFieldsAsync(reader, await ReadFieldCountAsync(reader, cancellation), cancellation),
        Parent: await reader.ReadUInt64Async(cancellation));

    private static async ValueTask<DaemonMessage> ReadResultAsync(
        WireReader reader, Action<DaemonMessage>? sink, CancellationToken cancellation)
    {
        var activity = await reader.ReadUInt64Async(cancellation);
        var type = (ActivityResultType)await reader.ReadInt32Async(cancellation);
        var count = await ReadFieldCountAsync(reader, cancellation);
        if (type == ActivityResultType.BuildLogLine && count == 1 && await reader.PeekUInt64Async(0, cancellation) == TextField)
        {
            reader.Skip(sizeof(ulong));
            return await ReadLogLineAsync(reader, activity, sink, cancellation);
        }
        var fields = await ReadFieldsAsync(reader, count, cancellation);
        return (type, fields) switch
        {
            (ActivityResultType.SetPhase, [{ Text: { } phase }]) => new BuildPhaseEntered(activity, phase),
            (ActivityResultType.Progress, [var done, var expected, var running, var failed]) =>
                new ActivityProgress(activity, done.Number, expected.Number, running.Number, failed.Number),
            _ => new ActivityResult(activity, type, fields),
        };
    }

    private static async ValueTask<DaemonMessage> ReadLogLineAsync(
        WireReader reader, ulong activity, Action<DaemonMessage>? sink, CancellationToken cancellation)
    {
        var length = await reader.ReadLengthAsync(cancellation);
        var left = length;
        var isContinued = false;
        for (; left > WireLimits.Shown; left -= WireLimits.Shown)
        {
            var piece = await reader.ReadPieceAsync(WireLimits.Shown, cancellation);
            sink?.Invoke(new BuildLogLine(activity, piece) { IsContinued = isContinued, IsUnfinished = true });
            isContinued = true;
        }
        var last = await reader.ReadPieceAsync((int)left, cancellation);
        await reader.ReadPaddingAsync(length, cancellation);
        return new BuildLogLine(activity, last) { IsContinued = isContinued };
    }

    private static ValueTask<int> ReadFieldCountAsync(WireReader reader, CancellationToken cancellation) =>
        reader.ReadCountAsync(cancellation, WireLimits.Fields);

    private static async ValueTask<IReadOnlyList<ActivityField>> ReadFieldsAsync(
        WireReader reader, int count, CancellationToken cancellation)
    {
        var fields = new List<ActivityField>();
        for (var i = 0; i < count; i++)
        {
            fields.Add(await reader.ReadUInt64Async(cancellation) switch
            {
                NumberField => new(await reader.ReadUInt64Async(cancellation), null),
                TextField => new(0, await reader.ReadBeginningAsync(cancellation)),
                var tag => throw new WireException($"The tag {tag} is neither that of a number nor that of a text."),
            });
        }
        return fields;
    }
}
