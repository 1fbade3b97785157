using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Reporting.Events;
using NixBuildFarm.Watching;

namespace NixBuildFarm.View.Tests;

/// <summary>The live view: a state in, lines out.</summary>
public sealed class WatchLayoutTests
{
    private static readonly DateTimeOffset Began = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly WatchedRun run = new();

    public WatchLayoutTests()
    {
        Apply(RunEventKind.RunBegan, line => line with { Run = "20260301-120000-abcd", Requested = ["nixpkgs#release"] });
        Apply(RunEventKind.WorkFound, line => line with
        {
            Derivations =
            [
                Found("libc", 60), Found("glib", 10, 0), Found("gtk", 30, 1), Found("manual", 5), Found("release", 5, 2, 3),
                Found("extra", 1),
            ],
        });
    }

    [Fact]
    public void What_runs_is_shown_with_its_machine_its_time_and_what_is_expected()
    {
        Begin("libc", "ruby", expected: 60);
        Apply(RunEventKind.MachineRead, line => line with { Builder = "ruby", Cores = 8, Load = 3.2, MemoryAvailable = 1L << 30 });

        var lines = Lines(100, at: 43);

        Assert.Contains("ruby: 1 build, load 3.2 of 8, 1.0 GiB of memory free", lines);
        Assert.Contains("  ★ libc      buildPhase, 43 s of about 1 m 00 s", lines);
    }

    [Fact]
    public void Pushes_that_are_left_and_builds_of_others_are_shown()
    {
        Begin("libc", "ruby");
        Apply(RunEventKind.MachineRead, line => line with { Builder = "ruby", Cores = 8, Load = 3.2, OtherBuilds = 2 });
        Apply(RunEventKind.Progress, line => line with { Total = 6, Done = 0, Pushing = 3 });

        Assert.Contains("ruby: 1 build, load 3.2 of 8, 2 builds of others", Lines(100));
        Assert.Contains("0 of 6 done, 1 running, 2 ready, 3 blocked, 3 to be pushed", Lines(100));

        Apply(RunEventKind.MachineRead, line => line with { Builder = "ruby", Cores = 8, Load = 3.2, OtherBuilds = 0 });
        Apply(RunEventKind.Progress, line => line with { Total = 6, Done = 0, Pushing = 0 });

        Assert.Contains("ruby: 1 build, load 3.2 of 8", Lines(100));
        Assert.Contains("0 of 6 done, 1 running, 2 ready, 3 blocked", Lines(100));
    }

    [Fact]
    public void Plain_lines_tell_when_pushes_or_builds_of_others_begin_and_when_there_are_none_any_more()
    {
        List<string> words = [];
        foreach (var count in new[] { 0, 2, 3, 0 })
        {
            words.Add(Say(RunEventKind.Progress, line => line with { Total = 6, Done = 0, Pushing = count }));
            words.Add(Say(RunEventKind.MachineRead, line => line with { Builder = "ruby", OtherBuilds = count }));
        }

        Assert.Equal(
            [
                "What is built is pushed to other stores.", "ruby has 2 builds of others as well.", "All is pushed.",
                "ruby has no build of others any more.",
            ],
            words.Where(word => word.Length > 0));

        string Say(RunEventKind kind, Func<RunEventLine, RunEventLine> complete)
        {
            var line = complete(new() { Event = kind, Time = Began });
            run.Apply(line);
            return WatchWords.Of(run, line) ?? "";
        }
    }

    [Fact]
    public void A_guess_is_marked_as_one()
    {
        Begin("extra", "ruby", expected: 5, isGuess: true);
        Apply(RunEventKind.Progress, line => line with { Total = 6, Done = 0, RemainingSeconds = 90, IsGuess = true });

        var lines = Lines(100, at: 10);

        Assert.Contains(lines, line => line.EndsWith("buildPhase, 10 s, guess: 5.0 s", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.EndsWith("10 s, guess: 1 m 30 s to go", StringComparison.Ordinal));
    }

    [Fact]
    public void What_can_start_and_what_waits_for_something_are_told_apart()
    {
        Begin("libc", "ruby");

        Assert.Equal(["manual", "extra"], run.Ready.Select(derivation => derivation.Name));
        Assert.Equal(
            [("glib", "libc"), ("gtk", "glib"), ("release", "gtk")],
            run.Blocked.Select(pair => (pair.Derivation.Name, pair.Awaited.Name)));
        Assert.Contains("Ready: manual, extra", Lines(100));
        Assert.Contains("  libc holds up ★ glib", Lines(100));
    }

    [Fact]
    public void The_critical_path_is_the_longest_chain_that_is_left()
    {
        Assert.Equal(["glib", "gtk", "libc", "release"], Critical());

        foreach (var name in new[] { "libc", "glib", "gtk" }) End(name, NixBuildStatus.Built);

        Assert.Equal(2, Critical().Length);
        Assert.Contains("release", Critical());
    }

    [Fact]
    public void A_failure_is_seen_as_it_happens_with_the_last_line_of_its_log()
    {
        Begin("libc", "ruby");
        Apply(RunEventKind.DerivationEnded, line => line with
        {
            Derivation = PathOf("libc"), Name = "libc", Status = NixBuildStatus.Failed, Builder = "ruby", Phase = "checkPhase",
            LogTail = ["one", "\u001b[31mit does not compile"],
        });

        Assert.Contains("  ✗ libc on ruby, in checkPhase: it does not compile", Lines(100));
        Assert.DoesNotContain(run.Builds, build => build.Name == "libc");
    }

    [Fact]
    public void The_clock_of_a_build_begins_when_its_inputs_are_there()
    {
        Apply(
            RunEventKind.BuildBegan,
            line => line with { Derivation = PathOf("libc"), Name = "libc", Builder = "ruby", Phase = "supplying" });
        Apply(
            RunEventKind.PhaseBegan,
            line => line with
            {
                Time = Began.AddSeconds(30), Derivation = PathOf("libc"), Name = "libc", Builder = "ruby", Phase = "building",
            });

        Assert.Equal(Began.AddSeconds(30), Assert.Single(run.Builds).Since);
    }

    [Theory]
    [InlineData(20)]
    [InlineData(60)]
    [InlineData(80)]
    [InlineData(120)]
    [InlineData(250)]
    public void No_line_is_wider_than_the_terminal_and_no_name_is_lost_where_there_is_room(int width)
    {
        Begin("libc", "ruby", expected: 60);
        Begin("extra", "kana-with-a-name-that-is-rather-long");
        Apply(RunEventKind.Warning, line => line with { Message = "長い名前の警告 with words and more words and more words and more words" });

        var lines = Lines(width);

        Assert.All(lines, line => Assert.True(CellText.Cells(line) <= width, line));
        Assert.Contains(lines, line => line.Contains("libc", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(8)]
    [InlineData(50)]
    public void There_are_no_more_lines_than_the_terminal_has_and_what_is_hidden_is_counted(int height)
    {
        Begin("libc", "ruby");
        Begin("extra", "kana");

        var lines = WatchLayout.Of(run, Began, new(80, height) { HasKeys = true });

        Assert.InRange(lines.Count, 1, height);
        Assert.Equal(height < 10, lines.Any(line => line.Text.Contains("more line", StringComparison.Ordinal)));
        Assert.StartsWith("up, down", lines[^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_terminal_without_Unicode_gets_none()
    {
        Begin("libc", "ruby");

        var lines = WatchLayout.Of(run, Began, new(80, 40) { IsAscii = true });

        Assert.All(lines, line => Assert.True(line.Text.All(char.IsAscii), line.Text));
        Assert.Contains(lines, line => line.Text.StartsWith("  * libc", StringComparison.Ordinal));
    }

    [Fact]
    public void Nothing_that_a_build_says_breaks_a_line_or_moves_the_cursor()
    {
        Apply(RunEventKind.BuildBegan, line => line with
        {
            Derivation = PathOf("libc"), Name = "libc", Builder = "ruby", Phase = "one\ntwo\u001b[2J",
        });
        Apply(RunEventKind.DerivationEnded, line => line with
        {
            Derivation = PathOf("glib"), Name = "glib", Status = NixBuildStatus.Failed, Phase = "a\r\nb", LogTail = ["x\ty\u2028z"],
        });

        var lines = Lines(100);

        Assert.Contains("  ✗ glib, in a b: x y z", lines);
        Assert.Contains(lines, line => line.Contains("one two, ", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Any(char.IsControl));
    }

    [Fact]
    public void A_run_whose_process_has_ended_without_a_word_was_interrupted()
    {
        Begin("libc", "ruby");
        run.Interrupt();

        Assert.Empty(run.Builds);
        Assert.StartsWith("Interrupted nixpkgs#release", Lines(80)[0], StringComparison.Ordinal);
    }

    [Fact]
    public void An_end_leaves_nothing_running()
    {
        Begin("libc", "ruby");
        Apply(RunEventKind.RunEnded, line => line with { State = RunState.Stopped });

        Assert.Empty(run.Builds);
        Assert.StartsWith("Stopped nixpkgs#release", Lines(80)[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Plain_lines_say_what_has_just_happened()
    {
        RunEventLine began = new()
        {
            Event = RunEventKind.BuildBegan, Time = Began, Derivation = PathOf("libc"), Name = "libc", Builder = "ruby", Phase = "building",
            ExpectedSeconds = 5, IsGuess = true,
        };

        Assert.Equal("ruby builds libc, guess: 5.0 s.", WatchWords.Of(run, began));
        Assert.Null(WatchWords.Of(run, new() { Event = RunEventKind.Progress, Time = Began }));
    }

    private string[] Critical() => [.. run.CriticalPath().Select(path => path.Split('-')[^1]).Order(StringComparer.Ordinal)];

    private string[] Lines(int width, double at = 0) =>
        [.. WatchLayout.Of(run, Began.AddSeconds(at), new(width, 60)).Select(line => line.Text)];

    private void Begin(string name, string builder, double? expected = null, bool isGuess = false) =>
        Apply(RunEventKind.BuildBegan, line => line with
        {
            Derivation = PathOf(name), Name = name, Builder = builder, Phase = "buildPhase", ExpectedSeconds = expected, IsGuess = isGuess,
        });

    private void End(string name, NixBuildStatus status) =>
        Apply(RunEventKind.DerivationEnded, line => line with { Derivation = PathOf(name), Name = name, Status = status });

    private void Apply(RunEventKind kind, Func<RunEventLine, RunEventLine> complete) =>
        run.Apply(complete(new() { Event = kind, Time = Began }));

    private static FoundDerivation Found(string name, double seconds, params int[] needs) =>
        new(PathOf(name), name, "x86_64-linux") { ExpectedSeconds = seconds, Needs = needs };

    private static string PathOf(string name) => $"/nix/store/00000000000000000000000000000000-{name}";
}
