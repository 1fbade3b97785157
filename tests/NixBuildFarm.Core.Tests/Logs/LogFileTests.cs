using NixBuildFarm.Logs;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Logs;

/// <summary>The log of a build is read by anybody, while it is written too.</summary>
public sealed class LogFileTests : IDisposable
{
    private static readonly StorePath Derivation = StorePath.Parse("/nix/store/00000000000000000000000000000000-hello-2.12.drv");
    private readonly string folder = Directory.CreateTempSubdirectory("nixbuildfarm-logs-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("a\nb\nc\n", null, "a b c")]
    [InlineData("a\nb\nc\n", 2, "b c")]
    [InlineData("a\nb\nc", 2, "b c")]
    [InlineData("a\nb\nc\n", 9, "a b c")]
    [InlineData("a\nb\nc\n", 0, "")]
    [InlineData("\n\nc\n", 2, " c")]
    [InlineData("", 3, "")]
    [InlineData("no end", null, "no end")]
    public void Lines_are_those_of_the_file_or_the_last_of_them(string text, int? last, string expected) =>
        Assert.Equal(expected, string.Join(' ', Log(text).Lines(last)));

    [Fact]
    public void The_last_lines_of_a_large_log_are_found_from_its_end()
    {
        var log = Log(string.Concat(Enumerable.Range(0, 50_000).Select(i => $"line {i}\n")));

        Assert.Equal(Enumerable.Range(40_000, 10_000).Select(i => $"line {i}"), log.Lines(10_000));
    }

    [Fact]
    public void Bytes_that_are_no_text_are_a_line_all_the_same()
    {
        var log = Log("");
        File.WriteAllBytes(log.Path, [0xff, (byte)'a', (byte)'\n', 0xc3]);

        Assert.Equal([[0xff, (byte)'a'], [0xc3]], log.Lines(null).Select(NixText.GetBytes));
    }

    [Fact]
    public void A_line_that_never_ends_comes_in_pieces()
    {
        var lines = Log(new string('x', 5_000_000)).Lines(null).ToArray();

        Assert.InRange(lines.Length, 2, 10);
        Assert.Equal(5_000_000, lines.Sum(line => line.Length));
    }

    [Fact]
    public async Task Following_a_log_ends_when_the_build_does()
    {
        var build = BuildLog.Open(folder, Derivation);
        build.Add(new(1, "first"));
        var log = new LogFile(build.Path!, "hello-2.12", "run");
        await using var lines = log.FollowAsync(null, TimeProvider.System, CancellationToken.None).GetAsyncEnumerator();

        Assert.True(await lines.MoveNextAsync());
        Assert.Equal("first", lines.Current);
        var next = lines.MoveNextAsync().AsTask();
        Assert.False(next.IsCompleted);
        build.Add(new(1, "second"));
        Assert.True(await next.WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Equal("second", lines.Current);
        build.Dispose();

        Assert.False(await lines.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public async Task Two_may_follow_one_log_and_none_disturbs_the_build()
    {
        using (var build = BuildLog.Open(folder, Derivation)) build.Add(new(1, "first"));
        var log = new LogFile(Path.Combine(folder, BuildLog.FileNameOf(Derivation)), "hello-2.12", "run");
        var again = Task.Run(() =>
        {
            for (var i = 0; i < 300; i++) BuildLog.Open(folder, Derivation).Dispose();
        });

        var followers = Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
        {
            while (!again.IsCompleted)
            {
                Assert.Equal(["first"], await log.FollowAsync(null, TimeProvider.System, CancellationToken.None).ToListAsync());
            }
        }));

        await Task.WhenAll(followers.Append(again));
    }

    [Fact]
    public async Task Following_a_log_that_nobody_writes_is_reading_it() =>
        Assert.Equal(["b", "c"], await Log("a\nb\nc\n").FollowAsync(2, TimeProvider.System, CancellationToken.None).ToListAsync());

    [Fact]
    public void A_line_that_comes_in_pieces_is_whole_in_the_log_and_one_line_at_hand()
    {
        var pieces = new string('x', 10_000);
        using (var build = BuildLog.Open(folder, Derivation))
        {
            build.Add(new(1, "before"));
            build.Add(new(1, pieces) { IsUnfinished = true });
            build.Add(new(1, pieces) { IsContinued = true, IsUnfinished = true });
            build.Add(new(1, "end") { IsContinued = true });
            build.Add(new(1, "after"));

            Assert.Equal(["before", new string('x', 4096) + "…", "after"], build.Tail);
            Assert.Equal($"before\n{pieces}{pieces}end\nafter\n", File.ReadAllText(build.Path!));
        }
    }

    [Fact]
    public void The_last_lines_of_a_log_are_shortened()
    {
        var log = Log($"{new string('x', 100_000)}\nshort\n");

        Assert.Equal([new string('x', 4096) + "…", "short"], LogFile.TailOf(log.Path, 5));
    }

    [Fact]
    public void A_log_that_is_gone_has_no_last_lines()
    {
        Assert.Empty(LogFile.TailOf(Path.Combine(folder, "gone.log"), 5));
        Assert.Empty(LogFile.TailOf(null, 5));
    }

    private LogFile Log(string text)
    {
        var path = Path.Combine(folder, "some.log");
        File.WriteAllText(path, text);
        return new(path, "some", "run");
    }
}
