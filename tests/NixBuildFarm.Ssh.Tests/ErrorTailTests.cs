using System.Text;
using CsCheck;
using NixBuildFarm.Ssh.Channels;

namespace NixBuildFarm.Ssh.Tests;

public class ErrorTailTests
{
    [Fact]
    public void The_last_twenty_lines_are_kept()
    {
        var tail = new ErrorTail();

        for (var i = 1; i <= 100; i++) tail.Append(Encoding.UTF8.GetBytes($"line {i}\n"));

        Assert.Equal(string.Join('\n', Enumerable.Range(81, 20).Select(i => $"line {i}")), tail.ToString());
    }

    [Fact]
    public void A_line_without_an_end_is_kept_too()
    {
        var tail = new ErrorTail();

        tail.Append("one\ntwo"u8);

        Assert.Equal("one\ntwo", tail.ToString());
    }

    [Fact]
    public void A_line_of_any_length_is_shown_short()
    {
        var tail = new ErrorTail();
        var piece = Enumerable.Repeat((byte)'x', 10_000).ToArray();

        for (var i = 0; i < 10; i++) tail.Append(piece);

        Assert.Equal(new string('x', 1000), tail.ToString());
    }

    [Fact]
    public void Lines_are_never_cut_at_their_beginning() => Gen.Int[1, 30_000].Array[1, 8].Sample(sizes =>
    {
        var tail = new ErrorTail();
        var number = 0;
        var pending = new List<byte>();
        foreach (var size in sizes)
        {
            while (pending.Count < size) pending.AddRange(Encoding.UTF8.GetBytes($"number {++number}\n"));
            tail.Append(pending.Take(size).ToArray());
            pending.RemoveRange(0, size);
        }
        tail.Append(pending.ToArray());

        var first = Math.Max(1, number - 19);
        Assert.Equal(string.Join('\n', Enumerable.Range(first, number - first + 1).Select(i => $"number {i}")), tail.ToString());
    });

    [Fact]
    public void Bytes_may_be_cut_anywhere() => Gen.Int[0, 40].Array[0, 10].Sample(cuts =>
    {
        var bytes = "größer\nals “null”\n– ✓ –\n"u8.ToArray();
        var tail = new ErrorTail();
        var start = 0;
        foreach (var cut in cuts.Select(c => Math.Min(c, bytes.Length)).Append(bytes.Length).Order())
        {
            tail.Append(bytes.AsSpan(start, cut - start));
            start = cut;
        }
        Assert.Equal("größer\nals “null”\n– ✓ –", tail.ToString());
    });

    [Fact]
    public void Terminal_control_never_gets_through()
    {
        var tail = new ErrorTail();

        tail.Append("\u001b[31;1merror:\u001b[0m no\u001b]0;title\a\r\n"u8);

        Assert.Equal("error: no", tail.ToString());
    }
}
