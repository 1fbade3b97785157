using CsCheck;
using NixBuildFarm.Sharing;
using static NixBuildFarm.Core.Tests.Sharing.SampleUnit;

namespace NixBuildFarm.Core.Tests.Sharing;

/// <summary>The talk with a shim: each frame has its place, and whoever says another is sent home.</summary>
public class ShimTalkTests
{
    private const uint Connection = 7;

    [Fact]
    public void A_compile_goes_from_the_first_word_to_the_result()
    {
        var talk = Begin();
        Assert.Equal((CompilerTool.CPlusPlus, "a.cc", null, ShimStep.Asking), (talk.Tool, talk.Source, talk.ReasonToStay, talk.Step));

        Assert.Equal(new BrokerFrame(Connection, FrameKind.Describe, default), talk.Describe());
        var description = Description();
        Assert.Null(talk.Take(Chunk(description[..100], isLast: false)));
        var unit = Assert.IsType<ShimNews.Described>(talk.Take(Chunk(description[100..], isLast: true))).Unit;
        Assert.Equal(2, unit.Files.Count);

        var send = talk.Send([1, 0])!.Value;
        Assert.Equal(new FieldWriter().UInt32(2).UInt32(1).UInt32(0).ToArray(), send.Payload.ToArray());
        Assert.Equal(Header, Assert.IsType<ShimNews.Received>(talk.Take(Content(1, Header, isLast: true))).Content.ToArray());
        Assert.Null(talk.Take(Content(0, Main[..3], isLast: false)));
        Assert.Equal(ShimStep.Sending, talk.Step);
        Assert.Equal(0, Assert.IsType<ShimNews.Received>(talk.Take(Content(0, Main[3..], isLast: true))).File);
        Assert.Equal(ShimStep.Compiling, talk.Step);

        var made = new byte[(2 << 20) + 1];
        var answer = talk.Answer(new(made, "warning\n"u8.ToArray())).ToArray();
        Assert.Equal([FrameKind.Output, FrameKind.Output, FrameKind.Output, FrameKind.Result], answer.Select(frame => frame.Kind));
        Assert.Equal(made.Length, answer.SkipLast(1).Sum(frame => frame.Payload.Length));
        Assert.Equal(new FieldWriter().UInt32(0).Text("warning\n"u8).ToArray(), answer[^1].Payload.ToArray());
        Assert.Equal(
            new ShimNews.Spent(TimeSpan.FromMilliseconds(90), TimeSpan.FromMilliseconds(7)), talk.Take(Spent(90_000, 7000)));
        Assert.IsType<ShimNews.Gone>(talk.Take(new(Connection, FrameKind.Closed, default)));
        Assert.Null(talk.Take(new(Connection, FrameKind.Closed, default)));
    }

    [Fact]
    public void What_a_compile_has_cost_counts_after_a_result_alone_and_where_it_can_be()
    {
        var atHome = Begin();
        atHome.CompileHere();
        Assert.Null(atHome.Take(Spent(1, 1)));

        var shared = Described();
        _ = shared.Answer(new("x"u8.ToArray(), default)).Count();
        Assert.Null(shared.Take(Spent(ulong.MaxValue, 1)));
        Assert.Null(shared.Take(Spent(1, 3_600_000_000)));
        Assert.Null(shared.Take(new(Connection, FrameKind.Spent, new byte[] { 1 })));

        Assert.IsType<ShimNews.Odd>(Described().Take(Spent(1, 1)));
    }

    [Fact]
    public void What_an_earlier_compile_has_left_is_the_answer_to_a_description()
    {
        var talk = Described();

        Assert.Equal(FrameKind.Result, talk.Answer(new("x"u8.ToArray(), default)).Last().Kind);
    }

    [Fact]
    public void A_shim_that_has_its_answer_is_not_listened_to_any_more_but_for_its_end()
    {
        var talk = Begin();
        Assert.Equal(FrameKind.Local, talk.CompileHere().Kind);

        Assert.Null(talk.Take(Chunk([1, 2, 3], isLast: true)));
        Assert.Equal(ShimStep.Ended, talk.Step);
        Assert.IsType<ShimNews.Gone>(talk.Take(new(Connection, FrameKind.Closed, default)));
    }

    [Fact]
    public void A_shim_may_go_home_by_itself_at_any_time()
    {
        var talk = Begin();
        talk.Describe();

        var news = Assert.IsType<ShimNews.AtHome>(
            talk.Take(new(Connection, FrameKind.Local, new FieldWriter().Text("the scan failed"u8).ToArray())));

        Assert.Equal(("the scan failed", ShimStep.Ended), (news.Why, talk.Step));
    }

    [Fact]
    public void A_compile_that_has_to_stay_says_why() =>
        Assert.Equal("a precompiled header", ShimTalk.Begin(Hello("cc1", "a.c", "a precompiled header")).ReasonToStay);

    [Theory]
    [InlineData("as", "a.s")]
    [InlineData("/bin/sh", "-c")]
    [InlineData("", "")]
    public void A_talk_about_another_tool_does_not_begin(string tool, string source) =>
        Assert.Throws<OddFrameException>(() => ShimTalk.Begin(Hello(tool, source)));

    [Fact]
    public void A_file_that_is_not_what_was_described_or_was_not_asked_for_is_odd()
    {
        Refuses(Content(0, Header, isLast: true));
        Refuses(Content(1, Main, isLast: false));
        Refuses(Content(1, Header[1..], isLast: true));
        Refuses(Content(1, [.. Header[1..], 0], isLast: true));
        Refuses(new(Connection, FrameKind.Content, new byte[] { 1, 0 }));
        Refuses(new(Connection, FrameKind.Unit, new byte[] { 1, 0, 0, 0 }));
        Refuses(new(Connection, FrameKind.Hello, default));
        Refuses(new(Connection, (FrameKind)99, default));

        static void Refuses(BrokerFrame frame)
        {
            var talk = Described();
            talk.Send([1, 0]);
            Assert.IsType<ShimNews.Odd>(talk.Take(frame));
            Assert.Equal(FrameKind.Local, talk.CompileHere().Kind);
        }
    }

    [Fact]
    public void A_description_without_end_is_odd_before_it_fills_memory()
    {
        var talk = Begin();
        talk.Describe();
        var chunk = new byte[1 << 20];
        ShimNews? news = null;
        for (var i = 0; i < 9 && news is null; i++) news = talk.Take(Chunk(chunk[..^4], isLast: false));

        Assert.IsType<ShimNews.Odd>(news);
    }

    [Fact]
    public void Whatever_a_shim_says_in_whatever_order_the_talk_goes_on_or_is_odd() => Gen.Select(
        Gen.Enum<FrameKind>(), Gen.Byte.Array[0, 60], Gen.Int[0, 4]).Array[1, 30].Sample(
        frames =>
        {
            var talk = Begin();
            foreach (var (kind, payload, act) in frames)
            {
                var before = talk.Step;
                if (act == 1 && talk.Step == ShimStep.Asking) talk.Describe();
                if (act == 2 && talk.Step == ShimStep.Scanning) talk.Take(Chunk(Description(), isLast: true));
                if (act == 3 && talk.Step == ShimStep.Described) talk.Send([0]);
                var news = talk.Take(new(Connection, kind, payload));
                Assert.True(talk.Step >= before);
                if (news is ShimNews.Odd) talk.CompileHere();
                if (kind == FrameKind.Closed) Assert.Equal(ShimStep.Gone, talk.Step);
            }
        });

    private static ShimTalk Begin() => ShimTalk.Begin(Hello("cc1plus", "a.cc"));

    private static ShimTalk Described()
    {
        var talk = Begin();
        talk.Describe();
        Assert.IsType<ShimNews.Described>(talk.Take(Chunk(Description(), isLast: true)));
        return talk;
    }

    private static BrokerFrame Hello(string tool, string source, string stays = "") =>
        new(Connection, FrameKind.Hello, new FieldWriter().Text(Bytes(tool)).Text(Bytes(source)).Text(Bytes(stays)).ToArray());

    private static BrokerFrame Spent(ulong reading, ulong rest) =>
        new(Connection, FrameKind.Spent, new FieldWriter().UInt64(reading).UInt64(rest).ToArray());

    private static BrokerFrame Chunk(byte[] bytes, bool isLast) =>
        new(Connection, FrameKind.Unit, (byte[])[.. BitConverter.GetBytes(isLast ? 1 : 0), .. bytes]);

    private static BrokerFrame Content(int file, byte[] bytes, bool isLast) =>
        new(Connection, FrameKind.Content, (byte[])[.. BitConverter.GetBytes(file), .. BitConverter.GetBytes(isLast ? 1 : 0), .. bytes]);
}
