using System.Runtime.InteropServices;
using System.Text;
using NixBuildFarm.Logs;

namespace NixBuildFarm.Watching;

/// <summary>
/// Shows a run on the whole terminal, which has its former contents again afterwards. Keys choose a build, follow its log and leave.
/// </summary>
internal sealed class WatchScreen
{
    // xterm's control sequences, which every terminal has that is not dumb: the other screen, no cursor, no wrapping; and back.
    private const string Enter = "\e[?1049h\e[?25l\e[?7l", Leave = "\e[?7h\e[?25h\e[?1049l\r";
    private const string Home = "\e[H", EndOfLine = "\e[0m\e[K\r\n", EndOfScreen = "\e[0m\e[J";
    private const int LeastWidth = 20, LeastHeight = 5;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    private readonly WatchedRun run = new();
    private readonly object gate = new();
    private readonly bool hasColour = Environment.GetEnvironmentVariable("NO_COLOR") is null or "";
    private readonly bool isAscii = Console.OutputEncoding.CodePage != Encoding.UTF8.CodePage;
    private string? chosen;
    private WatchedBuild? followed;

    /// <summary>Whether this process has a terminal that can show it.</summary>
    public static bool IsPossible =>
        !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } terminal && terminal != "dumb";

    /// <summary>The run, as far as it was told.</summary>
    public WatchedRun Run => run;

    /// <summary>Shows the run until it ends, or until a key leaves.</summary>
    /// <param name="events">The file of its events.</param>
    /// <param name="cancellation">Leaves.</param>
    /// <returns>Whether the run has ended; else the user has left.</returns>
    public async Task<bool> ShowAsync(LogFile events, CancellationToken cancellation)
    {
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var reading = ReadAsync(events, leaving.Token);
        // From .NET 10 on, a signal that ends the process is no exit of it.
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => Restore());
        using var hungUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, _ => Restore());
        AppDomain.CurrentDomain.ProcessExit += OnExit;
        // The first look for a key sets the terminal up, and loses what was pressed until then: no key of who sees the view.
        _ = !Console.IsInputRedirected && Console.KeyAvailable;
        Console.Out.Write(Enter);
        try
        {
            while (!leaving.IsCancellationRequested && !reading.IsCompleted)
            {
                Draw();
                var isEnd = Keys().Any(Press);
                if (isEnd) break;
                await Task.WhenAny(reading, Task.Delay(Interval, leaving.Token));
            }
        }
        finally
        {
            AppDomain.CurrentDomain.ProcessExit -= OnExit;
            Restore();
            await leaving.CancelAsync();
        }
        await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellation.ThrowIfCancellationRequested();
        if (reading.IsFaulted) await reading;
        return reading.IsCompletedSuccessfully;
    }

    private async Task ReadAsync(LogFile events, CancellationToken cancellation)
    {
        await foreach (var line in events.FollowAsync(null, TimeProvider.System, cancellation))
        {
            if (Reporting.Events.RunEventLine.Parse(line) is not { } happened) continue;
            lock (gate) run.Apply(happened);
            if (run.State is not null) return;
        }
        lock (gate) run.Interrupt();
    }

    // Also where something else ends the process.
    private static void OnExit(object? sender, EventArgs e) => Restore();

    private static void Restore() => Console.Out.Write(Leave);

    private void Draw()
    {
        var room = new WatchRoom(Math.Max(LeastWidth, Console.WindowWidth), Math.Max(LeastHeight, Console.WindowHeight))
        {
            Chosen = chosen,
            HasKeys = !Console.IsInputRedirected,
            IsAscii = isAscii,
        };
        IReadOnlyList<WatchLine> lines;
        lock (gate)
        {
            var now = Followed();
            followed = now ?? followed;
            lines = followed is { } build ? Log(build, now is not null, room) : WatchLayout.Of(run, DateTimeOffset.UtcNow, room);
        }
        var screen = new StringBuilder(Home);
        for (var i = 0; i < lines.Count; i++)
        {
            screen.Append(Colour(lines[i].Tone)).Append(lines[i].Text);
            // The last line of the terminal must not scroll it.
            screen.Append(i + 1 < room.Height ? EndOfLine : "\e[0m\e[K");
        }
        Console.Out.Write(screen.Append(EndOfScreen));
    }

    private static WatchLine[] Log(WatchedBuild build, bool isOn, WatchRoom room)
    {
        var doing = isOn ? WatchLayout.Doing(build, DateTimeOffset.UtcNow) : "it has ended";
        var title = $"{build.Name} on {build.Builder}: {doing}";
        var lines = LogFile.TailOf(build.LogPath, room.Height - 2).Select(line => CellText.Fit(CellText.InOneLine(line), room.Width));
        return
        [
            new(CellText.Fit(CellText.InOneLine(title), room.Width), WatchTone.Title),
            .. lines.Select(line => new WatchLine(line)),
            new(CellText.Fit("l: back   q: leave", room.Width), WatchTone.Faint),
        ];
    }

    private WatchedBuild? Chosen()
    {
        var builds = run.Builds;
        return builds.FirstOrDefault(build => build.Derivation == chosen) ?? (builds is [var first, ..] ? first : null);
    }

    /// <summary>The followed build as it is now; null: it has ended, and its log stays.</summary>
    private WatchedBuild? Followed() =>
        followed is null ? null : run.Builds.FirstOrDefault(build => build.Derivation == followed.Derivation);

    private static IEnumerable<ConsoleKeyInfo> Keys()
    {
        while (!Console.IsInputRedirected && Console.KeyAvailable) yield return Console.ReadKey(intercept: true);
    }

    /// <summary>Does what a key says.</summary>
    /// <returns>Whether it leaves.</returns>
    private bool Press(ConsoleKeyInfo key)
    {
        switch (key.Key)
        {
            case ConsoleKey.Escape when followed is null: return true;
            case ConsoleKey.Q: return true;
            case ConsoleKey.L or ConsoleKey.Enter or ConsoleKey.Escape: Follow(followed is null); break;
            case ConsoleKey.UpArrow or ConsoleKey.K: Choose(-1); break;
            case ConsoleKey.DownArrow or ConsoleKey.J: Choose(1); break;
        }
        return false;
    }

    /// <summary>Follows the log of the chosen build, or no log.</summary>
    private void Follow(bool isWanted)
    {
        lock (gate)
        {
            followed = isWanted ? Chosen() : null;
            chosen = followed?.Derivation ?? chosen;
        }
    }

    private void Choose(int step)
    {
        lock (gate)
        {
            var builds = run.Builds;
            if (builds.Count == 0) return;
            var at = builds.ToList().FindIndex(build => build.Derivation == chosen);
            chosen = builds[(Math.Max(0, at + (at < 0 && step < 0 ? builds.Count : step)) + builds.Count) % builds.Count].Derivation;
            if (followed is not null) followed = Chosen();
        }
    }

    private string Colour(WatchTone tone) => !hasColour ? "" : tone switch
    {
        WatchTone.Title => "\e[1m",
        WatchTone.Heading => "\e[36m",
        WatchTone.Critical => "\e[33m",
        WatchTone.Failure => "\e[31m",
        WatchTone.Faint => "\e[2m",
        _ => "",
    };
}
