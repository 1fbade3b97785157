using NixBuildFarm.Sharing;
using static NixBuildFarm.Core.Tests.Sharing.SampleUnit;
using NarTree = NixBuildFarm.Sharing.NarTree;
using Tree = NixBuildFarm.Core.Tests.Store.NarTree;

namespace NixBuildFarm.Core.Tests.Sharing;

/// <summary>What a helper gives back of a compile.</summary>
public class CompileResultTests
{
    [Fact]
    public void A_compile_that_succeeded_gives_its_output_and_what_it_said()
    {
        var result = CompileResult.Of(Read(new Tree.Folder(("err", new Tree.File(Bytes("note"))),
            ("out", new Tree.File(Bytes(".text"))), ("rc", new Tree.File(Bytes("0"))))))!;

        Assert.Equal(".text", System.Text.Encoding.UTF8.GetString(result.Output.Span));
        Assert.Equal("note", System.Text.Encoding.UTF8.GetString(result.Messages.Span));
    }

    [Theory]
    [InlineData("0", 0.0)]
    [InlineData("1500000", 1.5)]
    [InlineData(null, null)]
    public void Its_processor_time_is_known_where_the_helper_says_it(string? time, double? seconds) =>
        Assert.Equal(seconds, CompileResult.Of(Timed(time))!.ProcessorTime?.TotalSeconds);

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1e9")]
    [InlineData("999999999999999")]
    public void A_time_that_is_none_is_nonsense(string time) => Assert.Throws<OddFrameException>(() => CompileResult.Of(Timed(time)));

    [Theory]
    [InlineData("1")]
    [InlineData("200")]
    [InlineData("00")]
    public void A_compile_that_failed_is_done_at_home(string code) =>
        Assert.Null(CompileResult.Of(Read(new Tree.Folder(("out", new Tree.File([])), ("rc", new Tree.File(Bytes(code)))))));

    [Theory]
    [InlineData("")]
    [InlineData("0 ")]
    [InlineData("-0")]
    [InlineData("0000")]
    public void A_compile_that_does_not_say_how_it_ended_is_nonsense(string code) =>
        Assert.Throws<OddFrameException>(() =>
            CompileResult.Of(Read(new Tree.Folder(("out", new Tree.File([])), ("rc", new Tree.File(Bytes(code)))))));

    [Fact]
    public void What_no_compile_derivation_makes_is_refused()
    {
        Refuses(new Tree.File(Bytes("0")));
        Refuses(new Tree.Folder());
        Refuses(new Tree.Folder(("rc", new Tree.File(Bytes("0")))));
        Refuses(new Tree.Folder(("out", new Tree.Link("/etc/passwd")), ("rc", new Tree.File(Bytes("0")))));
        Refuses(new Tree.Folder(("err", new Tree.File(new byte[(900 << 10) + 1])), ("out", new Tree.File([])),
            ("rc", new Tree.File(Bytes("0")))));
        Refuses(new Tree.Folder(("out", new Tree.File([])), ("rc", new Tree.Folder())));

        static void Refuses(Tree tree) => Assert.Throws<OddFrameException>(() => CompileResult.Of(Read(tree)));
    }

    [Fact]
    public void More_than_the_limit_is_refused_before_it_is_read()
    {
        var reader = new NarTree.Reader(1000);

        Assert.Throws<OddFrameException>(() => reader.Take(new Tree.File(new byte[2000]).Encode()));
    }

    [Fact]
    public void A_NAR_without_end_is_refused()
    {
        var reader = new NarTree.Reader(1000);
        reader.Take(new Tree.File(Bytes("abc")).Encode().AsSpan()[..^1]);

        Assert.Throws<OddFrameException>(() => reader.Root);
    }

    [Fact]
    public void A_tree_in_pieces_is_the_tree()
    {
        var reader = new NarTree.Reader(10_000);
        foreach (var b in new Tree.Folder(("a", new Tree.Folder(("x", new Tree.File(Bytes("1"))), ("y", new Tree.Link("z")))),
            ("b", new Tree.File([]))).Encode()) reader.Take([b]);

        Assert.Equal("1", System.Text.Encoding.UTF8.GetString(Assert.IsType<NarTree.File>(reader.Root.Find("a")!.Find("x")).Content.Span));
        Assert.Equal("z", Assert.IsType<NarTree.Link>(reader.Root.Find("a")!.Find("y")).Target);
        Assert.Equal(0, Assert.IsType<NarTree.File>(reader.Root.Find("b")).Content.Length);
    }

    private static NarTree Timed(string? time)
    {
        (string, Tree)[] entries = [("out", new Tree.File([])), ("rc", new Tree.File(Bytes("0")))];
        return Read(new Tree.Folder(time is null ? entries : [.. entries, ("time", new Tree.File(Bytes(time)))]));
    }

    private static NarTree Read(Tree tree)
    {
        var reader = new NarTree.Reader(CompileResult.Limit);
        reader.Take(tree.Encode());
        return reader.Root;
    }
}
