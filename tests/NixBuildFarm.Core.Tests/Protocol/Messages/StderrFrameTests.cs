using System.Text;
using NixBuildFarm.Core.Tests.Protocol.Wire;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Protocol.Messages;

public class StderrFrameTests
{
    private const int Next = 0x6f6c6d67;
    private const int Write = 0x64617416;
    private const int Read = 0x64617461;
    private const int Last = 0x616c7473;
    private const int Error = 0x63787470;
    private const int Start = 0x53545254;
    private const int Stop = 0x53544f50;
    private const int Result = 0x52534c54;

    [Fact]
    public async Task Last_ends_the_messages() => Assert.Equal(default, await ReadAsync(Last));

    [Fact]
    public async Task Next_is_a_log_line() => Assert.Equal(new DaemonLogLine("warning: x"), await MessageAsync(Next, "warning: x\n"));

    [Fact]
    public async Task An_activity_starts()
    {
        var started = Assert.IsType<ActivityStarted>(await MessageAsync(Start, 7, 3, 105, "building", 2, 1, "/nix/store/x.drv", 0, 42, 5));

        Assert.Equal(
            (7UL, Verbosity.Info, ActivityType.Build, "building", 5UL),
            (started.Id, started.Level, started.Type, started.Text, started.Parent));
        Assert.Equal([new(0, "/nix/store/x.drv"), new(42, null)], started.Fields);
    }

    [Fact]
    public async Task An_activity_stops() => Assert.Equal(new ActivityStopped(7), await MessageAsync(Stop, 7));

    [Fact]
    public async Task A_build_prints_a_line() =>
        Assert.Equal(new BuildLogLine(7, "gcc -c x.c"), await MessageAsync(Result, 7, 101, 1, 1, "gcc -c x.c"));

    [Fact]
    public async Task A_line_keeps_its_bytes_whatever_they_are()
    {
        var line = Assert.IsType<BuildLogLine>(await MessageAsync(Result, 7, 101, 1, 1, new byte[] { 0x1B, 0x5B, 0x6D, 0xFF, 0x00 }));

        Assert.Equal([0x1B, 0x5B, 0x6D, 0xFF, 0x00], NixText.GetBytes(line.Line));
    }

    [Fact]
    public async Task A_build_enters_a_phase() =>
        Assert.Equal(new BuildPhaseEntered(7, "unpackPhase"), await MessageAsync(Result, 7, 104, 1, 1, "unpackPhase"));

    [Fact]
    public async Task An_activity_progresses() =>
        Assert.Equal(new ActivityProgress(7, 1, 2, 3, 4), await MessageAsync(Result, 7, 105, 4, 0, 1, 0, 2, 0, 3, 0, 4));

    [Theory]
    [InlineData(101, 0)]
    [InlineData(104, 0)]
    [InlineData(105, 3)]
    [InlineData(106, 2)]
    [InlineData(999, 1)]
    public async Task Any_other_news_of_an_activity_comes_as_it_is(int type, int numbers)
    {
        object[] fields = [Result, 7, type, numbers, .. Enumerable.Repeat<object>(0, 2 * numbers)];
        var news = Assert.IsType<ActivityResult>(await MessageAsync(fields));

        Assert.Equal((ActivityResultType)type, news.Type);
        Assert.Equal(numbers, news.Fields.Count);
    }

    [Fact]
    public async Task An_error_has_a_level_a_message_and_traces()
    {
        var error = (await ReadAsync(Error, "Error", 0, "Error", "it failed", 0, 2, 0, "while x", 0, "while y")).Error;

        Assert.NotNull(error);
        Assert.Equal((Verbosity.Error, "it failed"), (error.Level, error.Text));
        Assert.Equal(["while x", "while y"], error.Traces);
    }

    [Fact]
    public async Task An_error_with_a_position_is_not_understood() =>
        await Assert.ThrowsAsync<WireException>(() => ReadAsync(Error, "Error", 0, "Error", "it failed", 1, 0));

    [Fact]
    public async Task An_error_of_another_kind_is_not_understood() =>
        await Assert.ThrowsAsync<WireException>(() => ReadAsync(Error, "Warning", 0, "Error", "it failed", 0, 0));

    [Theory]
    [InlineData(Write)]
    [InlineData(Read)]
    [InlineData(0)]
    [InlineData(0x6e697863)]
    public async Task Anything_else_is_refused(int tag) => await Assert.ThrowsAsync<WireException>(() => ReadAsync(tag, 0));

    [Fact]
    public async Task A_field_that_is_neither_number_nor_text_is_refused() =>
        await Assert.ThrowsAsync<WireException>(() => ReadAsync(Result, 7, 101, 1, 2, 0));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-1)]
    [InlineData(WireLimits.Shown)]
    [InlineData(3 * WireLimits.Shown / 2)]
    public async Task A_long_line_comes_in_pieces_and_none_of_it_is_lost(int beyond)
    {
        // Letters of two bytes, so that a piece ends in the middle of one.
        var text = Encoding.UTF8.GetBytes("x" + new string('ä', 2 * WireLimits.Shown))[..(WireLimits.Shown + beyond)];
        var pieces = new List<DaemonMessage>();
        var reader = new WireReader(
            new PiecewiseStream(ProtocolBytes.Concat(ProtocolBytes.Of(Result, 7, 101, 1, 1, text), ProtocolBytes.Of(Last)), 10_000));

        pieces.Add((await StderrFrame.ReadAsync(reader, TestContext.Current.CancellationToken, pieces.Add)).Message!);

        var lines = pieces.Cast<BuildLogLine>().ToArray();
        Assert.Equal(text, lines.SelectMany(line => NixText.GetBytes(line.Line)));
        Assert.All(lines, line => Assert.InRange(line.Line.Length, 0, WireLimits.Shown));
        Assert.Equal(lines.Select((_, i) => i > 0), lines.Select(line => line.IsContinued));
        Assert.Equal(lines.Select((_, i) => i < lines.Length - 1), lines.Select(line => line.IsUnfinished));
        Assert.Equal(default, await StderrFrame.ReadAsync(reader, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_line_of_a_gigabyte_takes_no_more_memory_than_a_short_one()
    {
        const long Length = 1L << 30;
        var seen = 0L;
        var pieces = new List<WeakReference>();

        await StderrFrame.ReadAsync(
            new WireReader(new EndlessStream(ProtocolBytes.Of(Result, 7, 101, 1, 1, Length), 0)),
            TestContext.Current.CancellationToken,
            message =>
            {
                seen += ((BuildLogLine)message).Line.Length;
                pieces.Add(new(message));
                if (pieces.Count % 4000 != 0) return;
                GC.Collect();
                Assert.InRange(pieces.Count(piece => piece.IsAlive), 0, 2);
            });

        Assert.Equal(Length - WireLimits.Shown, seen);
    }

    [Fact]
    public async Task Of_a_huge_error_the_beginning_is_kept_and_some_traces()
    {
        const int Length = 10 << 20;
        var huge = new string('E', Length);
        var reader = new WireReader(
            new MemoryStream(
                ProtocolBytes.Of(
                    [
                        Error, "Error", 0, "Error", huge, 0, 100,
                        .. Enumerable.Range(0, 100).SelectMany(i => new object[] { 0, i + new string('t', 100_000) }), Last,
                    ])));

        var error = (await StderrFrame.ReadAsync(reader, TestContext.Current.CancellationToken)).Error!;

        Assert.Equal($"{huge[..WireLimits.Shown]}… ({Length - WireLimits.Shown} bytes more)", error.Text);
        Assert.Equal(
            Enumerable.Range(0, WireLimits.Traces).Select(i => i.ToString()), error.Traces.Select(trace => trace[..trace.IndexOf('t')]));
        Assert.All(error.Traces, trace => Assert.InRange(trace.Length, 0, WireLimits.Shown + 100));
        Assert.Equal(default, await StderrFrame.ReadAsync(reader, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(Next)]
    [InlineData(Result, 7, 104, 1, 1)]
    [InlineData(Start, 7, 3, 105)]
    public async Task A_huge_text_for_people_is_cut(params int[] before)
    {
        object[] after = before[0] == Start ? [0, 0] : [];
        var message = await MessageAsync([.. before, new string('x', 1 << 20), .. after]);

        var text = message switch
        {
            DaemonLogLine line => line.Text,
            BuildPhaseEntered phase => phase.Phase,
            _ => Assert.IsType<ActivityStarted>(message).Text,
        };
        Assert.Equal($"{new string('x', WireLimits.Shown)}… ({(1 << 20) - WireLimits.Shown} bytes more)", text);
    }

    [Fact]
    public async Task More_details_than_any_activity_has_are_refused() =>
        await Assert.ThrowsAsync<WireException>(() => ReadAsync(Result, 7, 106, WireLimits.Fields + 1));

    private static async Task<DaemonMessage?> MessageAsync(params object[] fields) => (await ReadAsync(fields)).Message;

    private static async Task<StderrFrame> ReadAsync(params object[] fields) =>
        await StderrFrame.ReadAsync(new WireReader(new MemoryStream(ProtocolBytes.Of(fields))), TestContext.Current.CancellationToken);
}
