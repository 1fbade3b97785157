using NixBuildFarm.Hosting;
using NixBuildFarm.Text;

namespace NixBuildFarm.Watching;

/// <summary>What a line is, which decides its colour where there are colours.</summary>
internal enum WatchTone
{
    /// <summary>Nothing in particular.</summary>
    Plain,

    /// <summary>The headline.</summary>
    Title,

    /// <summary>The name of a part, or a machine.</summary>
    Heading,

    /// <summary>A build on the critical path.</summary>
    Critical,

    /// <summary>A failure, or a warning.</summary>
    Failure,

    /// <summary>What matters least.</summary>
    Faint,
}

/// <summary>A line of the view.</summary>
internal readonly record struct WatchLine(string Text, WatchTone Tone = WatchTone.Plain);

/// <summary>How much room there is, and what is chosen.</summary>
/// <param name="Width">Columns.</param>
/// <param name="Height">Lines.</param>
internal sealed record WatchRoom(int Width, int Height)
{
    /// <summary>The derivation whose build is chosen; null: none.</summary>
    public string? Chosen { get; init; }

    /// <summary>Whether keys can be pressed.</summary>
    public bool HasKeys { get; init; }

    /// <summary>Whether the terminal has ASCII alone.</summary>
    public bool IsAscii { get; init; }
}

/// <summary>
/// The live view of a run as lines: a state in, lines out. No line is wider than the room, and there are no more than it has.
/// </summary>
internal static class WatchLayout
{
    private const int BarWidth = 30, NamesShown = 6, CopiesShown = 4, FailuresShown = 5;

    /// <summary>Lays a run out.</summary>
    /// <param name="run">The run.</param>
    /// <param name="now">The time of day.</param>
    /// <param name="room">Where.</param>
    public static IReadOnlyList<WatchLine> Of(WatchedRun run, DateTimeOffset now, WatchRoom room)
    {
        var critical = run.CriticalPath();
        List<WatchLine> head = [.. Head(run, now)];
        List<WatchLine> body = [.. Failures(run), .. Machines(run, now, room, critical), .. Copies(run), .. Waiting(run, critical)];
        List<WatchLine> foot = room.HasKeys ? [new("up, down: choose   l: its log   q: leave", WatchTone.Faint)] : [];
        var left = Math.Max(0, room.Height - head.Count - foot.Count);
        if (body.Count > left)
        {
            var hidden = body.Count - left + 1;
            body = [.. body.Take(Math.Max(0, left - 1)), new($"… {HumanText.Count(hidden, "more line")}", WatchTone.Faint)];
        }
        return
        [
            .. head.Concat(body).Concat(foot).Take(room.Height)
                .Select(line => line with { Text = Fit(CellText.InOneLine(line.Text), room) }),
        ];
    }

    private static string Fit(string text, WatchRoom room) => CellText.Fit(room.IsAscii ? CellText.ToAscii(text) : text, room.Width);

    /// <summary>What a build does, and how long: <c>buildPhase, 43 s of about 1 m 10 s</c>.</summary>
    internal static string Doing(WatchedBuild build, DateTimeOffset now)
    {
        var elapsed = now - build.Since;
        var span = HumanText.Span(elapsed > TimeSpan.Zero ? elapsed : TimeSpan.FromTicks(1));
        var phase = build.Phase is "building" or "" ? "" : $"{TerminalText.Strip(build.Phase)}, ";
        return build switch
        {
            { Phase: "supplying" } => $"receives inputs, {span}",
            { Expected: { } guess, IsGuess: true } => $"{phase}{span}, {HumanText.Guess(guess)}",
            { Expected: { } expected } => $"{phase}{span} of about {HumanText.Span(expected)}",
            _ => phase + span,
        };
    }

    private static IEnumerable<WatchLine> Head(WatchedRun run, DateTimeOffset now)
    {
        var (ready, blocked) = (run.Ready.Count, run.Blocked.Count);
        var progress = run.Progress;
        var (total, done, failed) = (run.Total, run.Done, progress?.Failed ?? 0);
        var asked = TerminalText.Strip(string.Join(", ", run.Requested));
        yield return new($"{run.State?.ToString() ?? "Building"} {asked}", WatchTone.Title);
        var counts = $"{done} of {total} done, {run.Builds.Count} running, {ready} ready, {blocked} blocked";
        if (failed > 0) counts += $", {failed} failed";
        if (progress?.Pushing is > 0 and var pushing && run.State is null) counts += $", {pushing} to be pushed";
        yield return new(counts);
        var end = run.State is null ? now : run.LastAt;
        var elapsed = HumanText.Span(end - run.Began);
        var remaining = progress?.RemainingSeconds is { } seconds && run.State is null ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;
        var left = remaining is not { } rest ? ""
            : progress!.IsGuess == true ? $", {HumanText.Guess(rest)} to go"
            : $", about {HumanText.Span(rest)} to go";
        var sent = progress?.Bytes is > 0 and var bytes ? $", {HumanText.Bytes(bytes)} sent" : "";
        yield return new($"{Bar(done + failed, total)} {elapsed}{left}{sent}");
        if (run.Warning is { } warning) yield return new($"! {TerminalText.Strip(warning)}", WatchTone.Failure);
    }

    private static string Bar(int done, int total)
    {
        var filled = total == 0 ? 0 : BarWidth * done / total;
        return new string('█', filled) + new string('░', BarWidth - filled);
    }

    private static IEnumerable<WatchLine> Failures(WatchedRun run)
    {
        if (run.Failures.Count == 0) yield break;
        yield return new("Failed", WatchTone.Heading);
        foreach (var failure in run.Failures.Reverse().Take(FailuresShown))
        {
            var place = failure.Builder is { } builder ? $" on {builder}" : "";
            var phase = failure.Phase is { } name ? $", in {name}" : "";
            var why = failure.LogTail is [.., var last] ? last : failure.Error ?? "";
            yield return new(
                $"  ✗ {failure.Name}{place}{phase}: {TerminalText.Strip(why).Trim()}", WatchTone.Failure);
        }
        if (run.Failures.Count > FailuresShown) yield return new($"  and {run.Failures.Count - FailuresShown} more", WatchTone.Failure);
    }

    private static IEnumerable<WatchLine> Machines(WatchedRun run, DateTimeOffset now, WatchRoom room, IReadOnlySet<string> critical)
    {
        var builds = run.Builds.ToLookup(build => build.Builder);
        var names = run.Machines.Keys.Union(builds.Select(own => own.Key)).Order(StringComparer.Ordinal).ToArray();
        if (names.Length == 0) yield break;
        var longest = run.Builds.Select(build => build.Name.Length).DefaultIfEmpty(0).Max();
        var nameWidth = Math.Clamp(longest, 8, Math.Max(8, room.Width / 2 - 6));
        foreach (var name in names.OrderBy(name => !builds[name].Any()))
        {
            yield return new($"{name}{State(run, name, builds[name].Count())}", WatchTone.Heading);
            foreach (var build in builds[name])
            {
                var isCritical = critical.Contains(build.Derivation);
                var chosen = build.Derivation == room.Chosen ? ">" : " ";
                var text = $"{chosen} {(isCritical ? "★" : " ")} {CellText.Pad(build.Name, nameWidth)}  {Doing(build, now)}";
                yield return new(text, isCritical ? WatchTone.Critical : WatchTone.Plain);
            }
        }
    }

    private static string State(WatchedRun run, string name, int builds)
    {
        List<string> parts = [builds == 0 ? "idle" : HumanText.Count(builds, "build")];
        if (run.Machines.TryGetValue(name, out var machine))
        {
            if (machine.Load is { } load)
            {
                parts.Add(machine.Cores is { } cores
                    ? FormattableString.Invariant($"load {load:0.0} of {cores}")
                    : FormattableString.Invariant($"load {load:0.0}"));
            }
            if (machine.OtherBuilds is > 0 and var others) parts.Add($"{HumanText.Count(others, "build")} of others");
            if (machine.MemoryAvailable is { } memory) parts.Add($"{HumanText.Bytes(memory)} of memory free");
        }
        return $": {string.Join(", ", parts)}";
    }

    private static IEnumerable<WatchLine> Copies(WatchedRun run)
    {
        if (run.Copies.Count == 0) yield break;
        yield return new($"Transfers: {run.Copies.Count}", WatchTone.Heading);
        foreach (var copy in run.Copies.OrderByDescending(copy => copy.Bytes).Take(CopiesShown))
        {
            var name = copy.Path is { } path ? path[(path.LastIndexOf('/') + 1)..].Split('-', 2)[^1] : "";
            var size = copy.Bytes is > 0 and var bytes ? $", {HumanText.Bytes(bytes)}" : "";
            yield return new($"  {name}: {copy.From} → {copy.To}{size}");
        }
    }

    private static IEnumerable<WatchLine> Waiting(WatchedRun run, IReadOnlySet<string> critical)
    {
        var ready = run.Ready;
        if (ready.Count > 0)
        {
            var urgentFirst = ready.OrderBy(derivation => !critical.Contains(derivation.Path));
            yield return new($"Ready: {Names([.. urgentFirst.Select(derivation => Mark(derivation.Name, derivation.Path))])}");
        }
        var blocked = run.Blocked;
        if (blocked.Count == 0) yield break;
        yield return new($"Blocked: {blocked.Count}", WatchTone.Heading);
        foreach (var group in blocked.GroupBy(pair => pair.Awaited.Name).OrderByDescending(group => group.Count()).Take(NamesShown))
        {
            string[] names = [.. group.Select(pair => Mark(pair.Derivation.Name, pair.Derivation.Path))];
            yield return new($"  {group.Key} holds up {Names(names)}", WatchTone.Faint);
        }

        string Mark(string name, string path) => critical.Contains(path) ? $"★ {name}" : name;
    }

    private static string Names(string[] names)
    {
        var shown = string.Join(", ", names.Take(NamesShown));
        return names.Length > NamesShown ? $"{shown} and {names.Length - NamesShown} more" : shown;
    }
}
