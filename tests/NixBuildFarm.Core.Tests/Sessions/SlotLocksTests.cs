using System.IO.Pipelines;
using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Core.Tests.Sessions;

public sealed class SlotLocksTests : IAsyncDisposable
{
    private readonly SlotFolder folder = new();
    private readonly List<SlotLocks> all = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        foreach (var locks in all) await locks.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task Slots_are_taken_up_to_their_number_and_the_next_waits_until_one_is_given_back()
    {
        var (mine, others) = (Run(2), Run(2));
        var first = await TakenAsync(mine);
        using var second = await TakenAsync(others);
        using var third = others.Ask("b,2");
        await third.HeldUp.WaitAsync(Until.Limit, Cancellation);

        Assert.False(third.Taken.IsCompleted);
        first.Dispose();
        await third.Taken.WaitAsync(Until.Limit, Cancellation);
    }

    [Theory]
    [InlineData("/bin/sh")]
    [InlineData("busybox sh")]
    [InlineData("bash")]
    public async Task A_slot_that_is_given_back_as_soon_as_it_is_had_can_be_had_again(string shell)
    {
        Assert.SkipUnless(shell[0] == '/' || ProgramPath.Find(shell.Split(' ')[0]) is not null, $"There is no {shell} here.");
        using var there = new SlotFolder(shell.Split(' '));
        await using var locks = new SlotLocks(SlotFolder.Builder(1), there, TimeProvider.System);

        for (var turn = 0; turn < 300; turn++)
        {
            using var slot = await TakenAsync(locks);
        }
    }

    [Fact]
    public async Task Who_finds_the_slots_held_by_an_earlier_connection_of_its_own_goes_on_without()
    {
        var (lost, anew) = (Run(1), Run(1));
        using var stale = await TakenAsync(lost, "a,1");
        using var waiting = anew.Ask("a,1");
        await waiting.HeldUp.WaitAsync(Until.Limit, Cancellation);

        var holder = Assert.Single(await anew.HoldersAsync(Cancellation));
        Assert.True(holder.IsCalled("a,1"));
        Assert.False(holder.IsCalled("a,2"));
        Assert.True(anew.AreLeftBehind([holder], "a,1"));
        Assert.False(anew.AreLeftBehind([holder], "a,2"));
        anew.GoOnWithout("they are stale");
        await waiting.Taken.WaitAsync(Until.Limit, Cancellation);
    }

    [Fact]
    public async Task Slots_that_were_given_back_while_the_builder_was_asked_are_not_those_of_an_earlier_connection()
    {
        var run = Run(2);
        var (first, second) = (await TakenAsync(run), await TakenAsync(run));
        var holders = await run.HoldersAsync(Cancellation);
        first.Dispose();
        second.Dispose();

        await UntilHeldByAsync(run);
        Assert.Equal(2, holders.Count);
        Assert.False(run.AreLeftBehind(holders, "a,1"));
        Assert.False(run.AreLeftBehind([], "a,1"));
    }

    [Theory]
    [InlineData("/bin/sh")]
    [InlineData("busybox sh")]
    [InlineData("bash")]
    public async Task Nothing_is_left_of_a_script_that_nobody_listens_to_any_more_when_it_begins(string shell)
    {
        Assert.SkipUnless(shell[0] == '/' || ProgramPath.Find(shell.Split(' ')[0]) is not null, $"There is no {shell} here.");
        // As sshd starts it, whatever this process was started with.
        using var there = new SlotFolder(["env", "--default-signal=PIPE", .. shell.Split(' ')]);
        var channel = await there.OpenAsync(ChannelUse.Slots, Cancellation);
        await channel.Stream.WriteAsync("2 a,1\n"u8.ToArray(), Cancellation);
        await channel.Stream.FlushAsync(Cancellation);

        await channel.DisposeAsync();

        Assert.True(there.Scripts[0].WaitForExit(Until.Limit));
        Assert.Equal(["slot-1", "slot-2", "turn"], Directory.GetFiles(there.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_folder_that_another_makes_at_this_moment_is_waited_for()
    {
        Directory.CreateDirectory(folder.Path);
        using var slot = Run(1).Ask("a,1");
        await Until.TrueAsync(() => folder.Scripts is [{ HasExited: false }], "the script runs");
        File.SetUnixFileMode(folder.Path, (UnixFileMode)0b1_111_111_111);

        await slot.Taken.WaitAsync(Until.Limit, Cancellation);
        Assert.Null(all[0].WhyNone);
        await UntilHeldByAsync(all[0], "a");
    }

    [Fact]
    public async Task Who_waits_gets_whichever_slot_is_free_first()
    {
        var (mine, others) = (Run(3), Run(3));
        var had = new[] { await TakenAsync(mine), await TakenAsync(mine), await TakenAsync(mine) };
        using var waiting = others.Ask("b,2");
        await waiting.HeldUp.WaitAsync(Until.Limit, Cancellation);

        had[1].Dispose();
        await waiting.Taken.WaitAsync(Until.Limit, Cancellation);
        Assert.Equal(3, (await others.HoldersAsync(Cancellation)).Count);
        foreach (var slot in had) slot.Dispose();
    }

    [Theory]
    [InlineData("/bin/sh")]
    [InlineData("busybox sh")]
    [InlineData("bash")]
    public async Task Runs_that_share_a_builder_never_hold_more_slots_than_it_has_and_take_turns(string shell)
    {
        Assert.SkipUnless(shell[0] == '/' || ProgramPath.Find(shell.Split(' ')[0]) is not null, $"There is no {shell} here.");
        using var there = new SlotFolder(shell.Split(' '));
        SlotLocks[] runs = [.. Enumerable.Range(0, 3).Select(_ => new SlotLocks(SlotFolder.Builder(2), there, TimeProvider.System))];
        var (held, most, left) = (0, 0, 45);
        var had = new int[runs.Length];
        await Task.WhenAll(runs.SelectMany((run, number) => new[] { UseAsync(run, number), UseAsync(run, number) }))
            .WaitAsync(Until.Limit, Cancellation);

        Assert.InRange(most, 1, 2);
        Assert.All(had, count => Assert.InRange(count, 9, 21));
        foreach (var run in runs) await run.DisposeAsync();

        async Task UseAsync(SlotLocks run, int number)
        {
            while (Interlocked.Decrement(ref left) >= 0)
            {
                using var slot = run.Ask($"{number},1");
                await slot.Taken;
                Assert.Null(run.WhyNone);
                lock (had)
                {
                    had[number]++;
                    most = Math.Max(most, ++held);
                }
                await Task.Delay(10, Cancellation);
                lock (had) held--;
            }
        }
    }

    [Fact]
    public async Task The_slots_of_a_connection_that_ends_are_free_and_nothing_is_left_of_it()
    {
        var (mine, others) = (Run(2), Run(2));
        await TakenAsync(mine);
        await TakenAsync(mine);
        using var waiting = others.Ask("b,2");
        await waiting.HeldUp.WaitAsync(Until.Limit, Cancellation);

        await mine.DisposeAsync();
        await waiting.Taken.WaitAsync(Until.Limit, Cancellation);
        await others.DisposeAsync();

        Assert.Equal(["slot-1", "slot-2", "turn"], Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order());
        Assert.All(folder.Scripts, script => Assert.True(script.WaitForExit(Until.Limit)));
    }

    [Fact]
    public async Task A_script_that_is_killed_leaves_its_slots_and_builds_go_on_without()
    {
        var (mine, others) = (Run(1), Run(1));
        using var had = await TakenAsync(mine);
        using var waiting = others.Ask("b,2");
        await waiting.HeldUp.WaitAsync(Until.Limit, Cancellation);

        folder.Scripts[0].Kill();
        await waiting.Taken.WaitAsync(Until.Limit, Cancellation);
        using var without = mine.Ask("a,1");
        await without.Taken.WaitAsync(Until.Limit, Cancellation);
        Assert.Equal("the connection for them has ended", mine.WhyNone);
        Assert.Equal("b", Assert.Single(await others.HoldersAsync(Cancellation)).Host);
    }

    [Fact]
    public async Task A_holder_is_known_by_login_machine_run_and_time()
    {
        var mine = Run(2);
        using var slot = await TakenAsync(mine, SlotHolder.NameOf("pearl.example", "20261129-101112-beef"));

        var holder = Assert.Single(await mine.HoldersAsync(Cancellation));

        Assert.Equal((1, Environment.UserName), (holder.Slot, holder.User));
        Assert.Equal(("pearl.example", "20261129-101112-beef"), (holder.Host, holder.Run));
        Assert.InRange(DateTimeOffset.UtcNow - holder.Since, TimeSpan.FromSeconds(-2), Until.Limit);
        slot.Dispose();
        await Until.TrueAsync(() => Directory.GetFiles(folder.Path, "held,*").Length == 0, "the note is gone");
        Assert.Empty(await mine.HoldersAsync(Cancellation));
    }

    [Fact]
    public async Task A_slot_that_is_left_to_the_next_does_not_go_to_others()
    {
        var (mine, others) = (Run(1), Run(1));
        using var first = await TakenAsync(mine);
        using var waiting = others.Ask("b,2");
        await waiting.HeldUp.WaitAsync(Until.Limit, Cancellation);

        first.LeaveToNext();
        var next = mine.Ask("a,1");
        Assert.True(next.Taken.IsCompletedSuccessfully);
        first.Dispose();
        Assert.False(waiting.Taken.IsCompleted);
        next.Dispose();
        await waiting.Taken.WaitAsync(Until.Limit, Cancellation);
    }

    [Fact]
    public async Task A_slot_that_is_left_and_not_taken_goes_to_others()
    {
        var (mine, others) = (Run(1), Run(1));
        var first = await TakenAsync(mine);
        using var waiting = others.Ask("b,2");
        first.LeaveToNext();

        first.Dispose();
        await waiting.Taken.WaitAsync(Until.Limit, Cancellation);
    }

    [Fact]
    public async Task A_slot_is_passed_on_to_the_next_build_without_asking_the_builder_and_others_get_it_when_none_comes()
    {
        var (mine, others) = (Run(1), Run(1));
        var first = await TakenAsync(mine);
        using var waiting = others.Ask("b,2");
        await waiting.HeldUp.WaitAsync(Until.Limit, Cancellation);

        first.PassOn();
        var next = mine.Ask("a,1");
        Assert.True(next.Taken.IsCompletedSuccessfully);
        Assert.False(waiting.Taken.IsCompleted);
        next.PassOn();
        await waiting.Taken.WaitAsync(Until.Limit, Cancellation);
        await UntilHeldByAsync(others, "b");
    }

    [Fact]
    public async Task A_slot_that_was_passed_on_for_a_second_goes_to_others_who_wait()
    {
        var (time, others) = (new FakeTimeProvider(), Run(1));
        await using var mine = new SlotLocks(SlotFolder.Builder(1), folder, time);
        var first = await TakenAsync(mine);
        using var waiting = others.Ask("b,2");
        await waiting.HeldUp.WaitAsync(Until.Limit, Cancellation);
        first.PassOn();
        var next = mine.Ask("a,1");
        Assert.True(next.Taken.IsCompletedSuccessfully);

        time.Advance(TimeSpan.FromSeconds(1));
        next.PassOn();
        using var last = mine.Ask("a,1");

        Assert.False(last.Taken.IsCompleted);
        await waiting.Taken.WaitAsync(Until.Limit, Cancellation);
    }

    [Fact]
    public async Task Who_had_to_wait_for_a_slot_passes_it_to_others_after_one_build()
    {
        var (mine, others) = (Run(1), Run(1));
        var first = await TakenAsync(others);
        using var waiting = mine.Ask("a,1");
        await waiting.HeldUp.WaitAsync(Until.Limit, Cancellation);
        first.Dispose();
        await waiting.Taken.WaitAsync(Until.Limit, Cancellation);

        waiting.PassOn();
        using var next = mine.Ask("a,1");

        Assert.False(next.Taken.IsCompleted);
        await next.Taken.WaitAsync(Until.Limit, Cancellation);
    }

    [Fact]
    public async Task A_build_that_waits_already_gets_the_slot_of_one_that_ends()
    {
        var run = Run(1);
        var first = await TakenAsync(run);
        using var next = run.Ask("a,1");

        first.PassOn();

        Assert.True(next.Taken.IsCompletedSuccessfully);
        await UntilHeldByAsync(run, "a");
    }

    [Theory]
    [InlineData("file")]
    [InlineData("link")]
    [InlineData("linkedSlot")]
    [InlineData("folderForSlot")]
    [InlineData("notShared")]
    public async Task Where_the_folder_is_not_as_it_should_be_builds_go_on_without_slots_and_nothing_is_changed(string what)
    {
        var treasure = Path.Combine(Path.GetDirectoryName(folder.Path)!, "treasure");
        await File.WriteAllTextAsync(treasure, "mine", Cancellation);
        const UnixFileMode everybody = (UnixFileMode)0b1_111_111_111;
        switch (what)
        {
            case "file": await File.WriteAllTextAsync(folder.Path, "", Cancellation); break;
            case "link": Directory.CreateSymbolicLink(folder.Path, Directory.CreateDirectory(treasure + ".d").FullName); break;
            case "notShared": Directory.CreateDirectory(folder.Path); break;
            default:
                Directory.CreateDirectory(folder.Path);
                File.SetUnixFileMode(folder.Path, everybody);
                var slot = Path.Combine(folder.Path, "slot-2");
                if (what == "linkedSlot") File.CreateSymbolicLink(slot, treasure);
                else Directory.CreateDirectory(slot);
                break;
        }
        var run = Run(2);
        using var asked = run.Ask("a,1");
        await asked.Taken.WaitAsync(Until.Limit, Cancellation);

        Assert.Contains(SlotScript.Folder, run.WhyNone!);
        Assert.Equal("mine", await File.ReadAllTextAsync(treasure, Cancellation));
    }

    [Fact]
    public async Task Where_the_folder_goes_away_builds_go_on_without_slots()
    {
        var run = Run(2);
        using var first = await TakenAsync(run);
        Directory.Delete(folder.Path, recursive: true);
        using var second = run.Ask("a,1");
        await second.Taken.WaitAsync(Until.Limit, Cancellation);

        Assert.NotNull(run.WhyNone);
    }

    [Fact]
    public async Task Who_gives_up_a_builder_that_is_still_being_connected_to_does_not_wait_for_a_farewell()
    {
        // Its clock stands still: whatever waits a while waits for ever.
        var locks = new SlotLocks(SlotFolder.Builder(1), new Unanswered(), new FakeTimeProvider());
        using var asked = locks.Ask("a,1");

        await locks.DisposeAsync().AsTask().WaitAsync(Until.Limit, Cancellation);
    }

    [Fact]
    public async Task A_busy_builder_has_two_minutes_to_begin_the_script_before_builds_go_on_without_slots()
    {
        var time = new FakeTimeProvider();
        var from = time.GetUtcNow();
        await using var run = new SlotLocks(SlotFolder.Builder(1), new Silent(), time);
        using var asked = run.Ask("a,1");

        await Until.TrueAsync(() => asked.Taken.IsCompleted, "the build goes on", () => time.Advance(TimeSpan.FromSeconds(1)));

        Assert.True(time.GetUtcNow() - from >= TimeSpan.FromMinutes(2));
        Assert.Contains("does not begin", run.WhyNone);
    }

    [Theory]
    [InlineData(3, null)]
    [InlineData(int.MaxValue, "too busy")]
    public async Task A_busy_builder_that_opens_no_session_in_time_is_asked_again_for_two_minutes(int refusals, string? whyNone)
    {
        var (time, busy) = (new FakeTimeProvider(), new Busy(folder, refusals));
        var from = time.GetUtcNow();
        await using var run = new SlotLocks(SlotFolder.Builder(1), busy, time);
        using var asked = run.Ask("a,1");

        await Until.TrueAsync(() => asked.Taken.IsCompleted, "the build goes on", () =>
        {
            // A script that has been started is given its time.
            if (busy.Asked <= refusals) time.Advance(TimeSpan.FromSeconds(1));
        });

        Assert.Equal(whyNone, run.WhyNone);
        if (whyNone is not null) Assert.True(time.GetUtcNow() - from >= TimeSpan.FromMinutes(2));
    }

    [Theory]
    [InlineData("none flock\n")]
    [InlineData("This account is for nix-daemon only.\n")]
    [InlineData("")]
    public async Task A_builder_without_the_script_has_no_slots_to_take(string answer)
    {
        await using var run = new SlotLocks(SlotFolder.Builder(2), new Saying(answer), TimeProvider.System);
        using var asked = run.Ask("a,1");
        await asked.Taken.WaitAsync(Until.Limit, Cancellation);
        using var again = run.Ask("a,1");

        Assert.True(again.Taken.IsCompletedSuccessfully);
        Assert.NotNull(run.WhyNone);
    }

    [Theory]
    [InlineData("now 100\nheld 40 -rw-r--r-- 1 eve eve 0 Nov 29 10:00 /tmp/s/held,1,7,host,run\n", "eve from host, run run 60")]
    [InlineData("held 40 -rw-r--r-- 1 eve eve 0 Nov 29 10:00 /tmp/s/held,1,7,host,run\n", "")]
    [InlineData("now 100\nheld x -rw-r--r-- 1 eve eve 0 Nov 29 10:00 /tmp/s/held,1,7,host,run\n", "")]
    [InlineData("now 100\nheld 40 -rw-r--r-- 1 eve eve 0 Nov 29 10:00 /tmp/s/held,0,7,host,run\n", "")]
    [InlineData("now 100\nheld 40 -rw-r--r-- 1 eve eve 0 Nov 29 10:00 /tmp/s/held,1,7,host\n", "")]
    [InlineData("now 100\nheld 400 -rw-r--r-- 1 eve eve 0 Nov 29 10:00 /tmp/s/held,1,7,h,r\n", "eve from h, run r 0")]
    public void What_a_builder_says_of_holders_is_taken_only_where_it_is_clear(string answer, string expected)
    {
        var now = DateTimeOffset.UnixEpoch;

        var said = SlotHolder.Parse(answer, now).Select(holder => $"{holder} {(now - holder.Since).TotalSeconds:0}");

        Assert.Equal(expected, string.Join("; ", said));
    }

    [Theory]
    [InlineData("pearl", "1", "pearl,1")]
    [InlineData("a b;c'\n$(d),e", "/x", "abcde,x")]
    [InlineData("", "…", "unknown,unknown")]
    public void A_holder_is_named_by_plain_words(string host, string run, string expected) =>
        Assert.Equal(expected, SlotHolder.NameOf(host, run));

    private SlotLocks Run(int slots)
    {
        var run = new SlotLocks(SlotFolder.Builder(slots), folder, TimeProvider.System);
        all.Add(run);
        return run;
    }

    /// <summary>The builder says that these hold a slot, and nobody else.</summary>
    private static Task UntilHeldByAsync(SlotLocks asks, params string[] hosts) => Until.TrueAsync(
        async () => (await asks.HoldersAsync(Cancellation)).Select(holder => holder.Host).SequenceEqual(hosts),
        $"slots are held by: {string.Join(", ", hosts)}");

    private static async Task<SlotRequest> TakenAsync(SlotLocks locks, string holder = "a,1")
    {
        var slot = locks.Ask(holder);
        await slot.Taken.WaitAsync(Until.Limit, Cancellation);
        Assert.Null(locks.WhyNone);
        return slot;
    }

    private sealed class Busy(SlotFolder then, int refusals) : IBuilderTransport
    {
        public int Asked;

        public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
            Interlocked.Increment(ref Asked) > refusals
                ? then.OpenAsync(use, cancellation)
                : throw new BuilderException("ruby", BuilderFailure.Unreachable, "too busy");

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class Unanswered : IBuilderTransport
    {
        public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation)
        {
            await Task.Delay(Timeout.Infinite, cancellation);
            throw new InvalidOperationException("It was to be cancelled.");
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class Silent : IBuilderTransport, IBuilderChannel
    {
        private readonly Pipe pipe = new();

        public Stream Stream => new DuplexStream(pipe.Reader.AsStream(), new MemoryStream());

        public string ErrorOutput => "";

        public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) => Task.FromResult<IBuilderChannel>(this);

        public async ValueTask DisposeAsync() => await pipe.Writer.CompleteAsync();
    }

    private sealed class Saying(string answer) : IBuilderTransport, IBuilderChannel
    {
        public Stream Stream { get; } = new DuplexStream(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(answer)), new MemoryStream());

        public string ErrorOutput => "";

        public Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) => Task.FromResult<IBuilderChannel>(this);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
