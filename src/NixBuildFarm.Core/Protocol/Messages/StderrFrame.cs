using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>
/// A frame between a request and its reply: a message, an error or the end. At most one of the properties is set; none: the end.
/// </summary>
internal readonly record struct StderrFrame(DaemonMessage? Message, DaemonError? Error)
{
    public const ulong NextTag = 0x6f6c6d67;
    public const ulong LastTag = 0x616c7473;
    public const ulong StartActivityTag = 0x53545254;
    public const ulong StopActivityTag = 0x53544f50;
    public const ulong ResultTag = 0x52534c54;
    public const ulong NumberField = 0;
    public const ulong TextField = 1;

    /// <summary>The beginning of an error, also of one in place of a NAR.</summary>
    public const ulong ErrorTag = 0x63787470;

    /// <summary>Writes a message as a daemon sends it.</summary>
    public static void Write(WireWriter writer, DaemonMessage message)
    {
        switch (message)
        {
            case DaemonLogLine line:
                writer.WriteUInt64(NextTag);
                writer.WriteString(line.Text + '\n');
                break;
            case ActivityStarted started:
                writer.WriteUInt64(StartActivityTag);
                writer.WriteUInt64(started.Id);
                writer.WriteUInt64((ulong)started.Level);
                writer.WriteUInt64((ulong)started.Type);
                writer.WriteString(started.Text);
                WriteFields(writer, started.Fields);
                writer.WriteUInt64(started.Parent);
                break;
            case ActivityStopped stopped:
                writer.WriteUInt64(StopActivityTag);
                writer.WriteUInt64(stopped.Id);
                break;
            case var _ when ActivityResult.Of(message) is { } result:
                writer.WriteUInt64(ResultTag);
                writer.WriteUInt64(result.Activity);
                writer.WriteUInt64((ulong)result.Type);
                WriteFields(writer, result.Fields);
                break;
            default: throw new InvalidOperationException($"{message} is no message of a daemon.");
        }
    }

    /// <summary>Writes that there is no more to come before the reply.</summary>
    public static void WriteLast(WireWriter writer) => writer.WriteUInt64(LastTag);

    /// <summary>Writes an error in place of the reply.</summary>
    public static void WriteError(WireWriter writer, string text)
    {
        writer.WriteUInt64(ErrorTag);
        writer.WriteString("Error");
        writer.WriteUInt64((ulong)Verbosity.Error);
        writer.WriteString("Error");
        writer.WriteString(text);
        writer.WriteUInt64(0); // No place in an expression,
        writer.WriteUInt64(0); // and no traces.
    }

    private static void WriteFields(WireWriter writer, IReadOnlyList<ActivityField> fields)
    {
        writer.WriteInt64(fields.Count);
        foreach (var field in fields)
        {
            writer.WriteUInt64(field.Text is null ? NumberField : TextField);
            if (field.Text is null) writer.WriteUInt64(field.Number);
            else writer.WriteString(field.Text);
        }
    }

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
