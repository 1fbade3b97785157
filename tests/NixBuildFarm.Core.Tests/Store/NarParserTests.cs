using System.Text;
using CsCheck;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Core.Tests.Store;

public class NarParserTests
{
    private static readonly byte[] Small = new NarTree.Folder(
        ("bin", new NarTree.Folder(("hello", new NarTree.File("#!/bin/sh\n"u8.ToArray(), IsExecutable: true)))),
        ("empty", new NarTree.File([])),
        ("link", new NarTree.Link("bin/hello"))).Encode();

    [Fact]
    public void A_tree_comes_out_as_the_tokens_of_its_nodes() =>
        Assert.Equal(
            """
            Directory
            Entry bin
            Directory
            Entry hello
            File 10 executable
            Contents #!/bin/sh
            End
            End
            Entry empty
            File 0
            End
            Entry link
            SymbolicLink bin/hello
            End
            End
            """,
            string.Join('\n', Tokens(Small, Small.Length)));

    [Fact]
    public void Every_tree_is_accepted_to_its_last_byte() =>
        NarTree.Any.Sample(tree =>
        {
            var nar = tree.Encode();
            var parser = new NarParser();
            ReadToEnd(parser, nar);
            return parser.IsComplete && parser.Position == nar.Length;
        });

    [Fact]
    public void Pieces_of_any_size_give_the_same_tokens_as_the_whole() =>
        Gen.Select(NarTree.Any, Gen.Int[1, 20]).Sample((tree, size) =>
        {
            var nar = tree.Encode();
            Assert.Equal(Tokens(nar, nar.Length), Tokens(nar, size));
        });

    [Fact]
    public void Bytes_after_a_NAR_are_not_read() =>
        NarTree.Any.Sample(tree =>
        {
            var nar = tree.Encode();
            ReadOnlySpan<byte> data = [.. nar, 1, 2, 3];
            var parser = new NarParser();
            while (parser.Read(ref data, out _) != NarToken.None) { }
            Assert.Equal([1, 2, 3], data.ToArray());
        });

    [Fact]
    public void At_each_byte_the_minimum_that_remains_is_positive_and_no_more_than_what_does_remain() =>
        NarTree.Any.Sample(tree =>
        {
            var nar = tree.Encode();
            var parser = new NarParser();
            for (var position = 0; position < nar.Length; position++)
            {
                Assert.InRange(parser.MinimumRemaining, 1, nar.Length - position);
                ReadToEnd(parser, nar.AsSpan(position, 1));
            }
            Assert.Equal(0, parser.MinimumRemaining);
        });

    [Fact]
    public void Of_a_large_file_all_is_known_to_remain_as_soon_as_its_size_is()
    {
        var nar = new NarTree.File(new byte[1001]).Encode();
        var parser = new NarParser();
        const int header = 24 + 16 + 16 + 16 + 16 + 8;
        ReadToEnd(parser, nar.AsSpan(0, header));

        Assert.Equal(1001 + 7 + 16, parser.MinimumRemaining);
        Assert.Equal(nar.Length - header, parser.MinimumRemaining);
    }

    [Fact]
    public void No_beginning_of_a_NAR_counts_as_complete()
    {
        for (var length = 0; length < Small.Length; length++)
        {
            var parser = new NarParser();
            ReadToEnd(parser, Small.AsSpan(0, length));
            Assert.False(parser.IsComplete);
        }
    }

    [Fact]
    public void A_changed_byte_is_refused_or_yields_a_NAR_that_is_written_the_same_way() =>
        Gen.Select(NarTree.Any.Select(tree => tree.Encode()), Gen.Int[0, int.MaxValue], Gen.Byte[1, 255]).Sample((nar, where, change) =>
        {
            var damaged = nar.ToArray();
            damaged[where % nar.Length] ^= change;
            try
            {
                var parser = new NarParser();
                ReadToEnd(parser, damaged);
                // Names, targets and contents may be anything: then it is another tree, and this is the NAR of it.
                if (parser.IsComplete) Assert.Equal(damaged[..(int)parser.Position], Tree(damaged).Encode());
            }
            catch (NarException error)
            {
                Assert.Equal(NarException.Malformed, error.Id);
                Assert.InRange(error.Position, 0, nar.Length);
            }
        });

    [Fact]
    public void Bytes_that_are_no_NAR_at_all_are_refused() =>
        Gen.Byte.Array[24, 100].Sample(bytes => Assert.Throws<NarException>(() => ReadToEnd(new NarParser(), bytes)));

    public static TheoryData<string, string> MalformedNars()
    {
        var file = new NarTree.File([]);
        var nested = Enumerable.Range(0, NarParser.MaxDepth).Aggregate((NarTree)file, (node, _) => new NarTree.Folder(("d", node)));
        return new TheoryData<string, string>
        {
            { Text("nix-archive-2"), "at byte 0: “nix-archive-1” expected, but found “nix-archive-2”" },
            { Text("nix-archive-1", "[" ), "at byte 24: “(” expected, but found “[”" },
            { Text("nix-archive-1", "(", "kind"), "“type” expected, but found “kind”" },
            { Text("nix-archive-1", "(", "type", "fifo"), "“regular”, “directory” or “symlink” expected, but found “fifo”" },
            { Text("nix-archive-1", "(", "type", "regular", "target"), "“contents” or “executable” expected" },
            { Text("nix-archive-1", "(", "type", "regular", "executable", "yes"), "an empty string expected" },
            { Text("nix-archive-1", "(", "type", "regular", "executable", "", "executable"), "“contents” expected" },
            { Text("nix-archive-1", "(", "type", "symlink", "target", ""), "target" },
            { Text("nix-archive-1", "(", "type", "symlink", "target", "a\0b"), "target" },
            { Text(
                "nix-archive-1",
                "(",
                "type",
                "symlink",
                "target",
                new string('a', 4096)), "of 4095 bytes at the most, but 4096 bytes are announced" },
            { Text("nix-archive-1", "\u001b]0;x"), "but found “\uFFFD]0;x”" },
            { Chars(new NarTree.Folder(("", file))), "“” cannot be the name" },
            { Chars(new NarTree.Folder((".", file))), "“.” cannot be the name" },
            { Chars(new NarTree.Folder(("..", file))), "“..” cannot be the name" },
            { Chars(new NarTree.Folder(("../up", file))), "“../up” cannot be the name" },
            { Chars(new NarTree.Folder(("a\0", file))), "cannot be the name" },
            { Chars(new NarTree.Folder((new string('a', 256), file))), "of 255 bytes at the most, but 256 bytes are announced" },
            { Chars(new NarTree.Folder(("a", file), ("a", file))), "in “a”: “a” follows “a”" },
            { Chars(new NarTree.Folder(("b", file), ("a", file))), "“a” follows “b”" },
            { Chars(new NarTree.Folder(("a", file), ("B", file))), "“B” follows “a”" },
            { Chars(new NarTree.Folder(("lib", new NarTree.Folder(("b", file), ("a", file))))), "in “lib/b”: " },
            { Chars(new NarTree.Folder(("d", nested))), "deeper than 2048" },
        };
    }

    [Theory]
    [MemberData(nameof(MalformedNars))]
    public void A_malformed_NAR_is_refused_with_position_and_reason(string nar, string reason)
    {
        var error = Assert.Throws<NarException>(() => ReadToEnd(new NarParser(), NarTree.Bytes(nar)));

        Assert.Contains(reason, error.Message);
        Assert.Contains($"at byte {error.Position}", error.Message);
        Assert.NotNull(error.Recommendation);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("1234567")]
    public void Padding_that_is_not_zero_is_refused(string contents)
    {
        var nar = new NarTree.File(NarTree.Bytes(contents)).Encode();
        nar[^17] = 1;

        var error = Assert.Throws<NarException>(() => ReadToEnd(new NarParser(), nar));
        Assert.Contains("the padding is not zero", error.Message);
        Assert.Equal(nar.Length - 16 - (8 - contents.Length), error.Position);
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData((1UL << 60) + 1)]
    public void A_file_size_beyond_belief_is_refused(ulong size) =>
        Assert.Contains(
            $"a file of {size} bytes is announced",
            Assert.Throws<NarException>(() => ReadToEnd(
                new NarParser(),
                [.. NarTree.Bytes(Text("nix-archive-1", "(", "type", "regular", "contents")), .. BitConverter.GetBytes(size)])).Message);

    private static string Chars(NarTree tree) => Encoding.Latin1.GetString(tree.Encode());

    private static string Text(params string[] texts) =>
        string.Concat(
            texts.Select(
                text =>
                    Encoding.Latin1.GetString(BitConverter.GetBytes((ulong)text.Length)) + text.PadRight((text.Length + 7) / 8 * 8, '\0')));

    private static void ReadToEnd(NarParser parser, ReadOnlySpan<byte> data)
    {
        while (parser.Read(ref data, out _) != NarToken.None) { }
    }

    /// <summary>One line a token; pieces of contents joined, as they depend on those of the input.</summary>
    private static List<string> Tokens(byte[] nar, int pieceSize)
    {
        var parser = new NarParser();
        var lines = new List<string>();
        for (var position = 0; position < nar.Length; position += pieceSize)
        {
            ReadOnlySpan<byte> data = nar.AsSpan(position, Math.Min(pieceSize, nar.Length - position));
            while (parser.Read(ref data, out var payload) is var token and not NarToken.None)
            {
                var text = Encoding.Latin1.GetString(payload);
                if (token == NarToken.Contents && lines[^1].StartsWith("Contents", StringComparison.Ordinal)) lines[^1] += text;
                else if (token == NarToken.File) lines.Add($"File {parser.FileSize}{(parser.IsExecutable ? " executable" : "")}");
                else lines.Add($"{token} {text}");
            }
        }
        Assert.True(parser.IsComplete);
        return [.. lines.Select(line => line.TrimEnd(' ', '\n'))];
    }

    private static NarTree Tree(ReadOnlySpan<byte> data)
    {
        var parser = new NarParser();
        return Node(ref data);

        NarTree Node(ref ReadOnlySpan<byte> data)
        {
            switch (parser.Read(ref data, out var payload))
            {
                case NarToken.SymbolicLink:
                    var link = new NarTree.Link(Encoding.Latin1.GetString(payload));
                    Assert.Equal(NarToken.End, parser.Read(ref data, out _));
                    return link;
                case NarToken.File:
                    var (executable, contents) = (parser.IsExecutable, new List<byte>());
                    while (parser.Read(ref data, out var piece) == NarToken.Contents) contents.AddRange(piece);
                    return new NarTree.File([.. contents], executable);
                default:
                    var entries = new List<(string, NarTree)>();
                    while (parser.Read(ref data, out var name) == NarToken.Entry)
                    {
                        entries.Add((Encoding.Latin1.GetString(name), Node(ref data)));
                    }
                    return new NarTree.Folder([.. entries]);
            }
        }
    }
}
