using NixBuildFarm.Errors;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Reporting.Events;

/// <summary>
/// Writes a run as lines of JSON while it goes on: an event a line. If the lines cannot be written any more, the run goes on without them.
/// </summary>
public sealed class RunEventWriter : IBuildObserver, IDisposable
{
    /// <summary>Derivations in a line: a reader of lines need not hold a large run in one.</summary>
    private const int DerivationsInLine = 250;

    /// <summary>Progress without anything else is no news more often.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly object gate = new();
    private readonly BestEffortOutput output;
    private readonly TimeProvider time;
    private readonly Dictionary<(string Derivation, string Builder), RunningBuild> running = [];
    private readonly Dictionary<string, (int? Cores, double? Load, long? Memory, long? Available, int Others)> machines = [];
    private readonly HashSet<long> copies = [];
    private long? progressAt;
    private int pushing;

    /// <summary>Writes to a stream, which it closes at its end.</summary>
    /// <param name="output">Where lines go.</param>
    /// <param name="onFailure">Receives the first failure to write.</param>
    /// <param name="time">The clock; null: the machine's.</param>
    public RunEventWriter(Stream output, Action<Exception> onFailure, TimeProvider? time = null)
    {
        this.output = new(output, onFailure);
        this.time = time ?? TimeProvider.System;
    }

    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        lock (gate)
        {
            switch (news)
            {
                case RunNews.Began(var run, var requested):
                    Write(RunEventKind.RunBegan, e => e with { Run = run, Requested = requested });
                    break;
                case RunNews.Found(var derivations): Write(derivations); break;
                case RunNews.Progressed(var progress): Write(progress); break;
                case RunNews.Ended(var result): Write(result); break;
                case RunNews.Copying(var copy): Write(copy); break;
                case RunNews.Degraded(var message): Warn(message); break;
                case RunNews.BuilderFailed(_, var error): Warn(error); break;
                case RunNews.HistoryFailed(var error): Warn(error); break;
                case RunNews.Over(var state): Write(RunEventKind.RunEnded, e => e with { State = state }); break;
                // What builds print is in their logs, and what was decided is for people.
            }
            output.Write(static stream => stream.Flush());
        }
    }

    /// <summary>Closes the stream.</summary>
    public void Dispose()
    {
        lock (gate) output.Dispose();
    }

    private void Write(IReadOnlyList<FoundDerivation> derivations)
    {
        foreach (var some in derivations.Chunk(DerivationsInLine)) Write(RunEventKind.WorkFound, e => e with { Derivations = some });
    }

    private void Write(RunProgress progress)
    {
        var current = progress.Running.ToDictionary(build => (build.DerivationPath, build.Builder));
        foreach (var gone in running.Keys.Where(key => !current.ContainsKey(key)).ToArray())
        {
            var build = running[gone];
            running.Remove(gone);
            Write(RunEventKind.BuildEnded, e => Of(e, build));
        }
        foreach (var (key, build) in current)
        {
            var isNew = !running.TryGetValue(key, out var before);
            running[key] = build;
            if (isNew)
            {
                Write(
                    RunEventKind.BuildBegan,
                    e => Of(e, build) with
                    {
                        Phase = build.Phase, ExpectedSeconds = build.Expected?.TotalSeconds,
                        IsGuess = build.Expected is null ? null : build.IsGuess,
                    });
            }
            else if (before!.Phase != build.Phase)
            {
                Write(RunEventKind.PhaseBegan, e => Of(e, build) with { Phase = build.Phase });
            }
        }
        foreach (var (builder, reading) in progress.Machines)
        {
            var others = reading.Builds.Count(build => build.IsOwn == false);
            var now = (reading.Cores, reading.Load, reading.Memory, reading.MemoryAvailable, others);
            if (machines.TryGetValue(builder, out var before) && before == now) continue;
            machines[builder] = now;
            Write(
                RunEventKind.MachineRead,
                e => e with
                {
                    Builder = builder, Cores = reading.Cores, Load = reading.Load, Memory = reading.Memory,
                    MemoryAvailable = reading.MemoryAvailable, OtherBuilds = others,
                });
        }
        // Pushes go on when all is built, and how many are left is told as it changes.
        var isLast = progress.Done + progress.Failed == progress.Total || progress.Pushing != pushing;
        pushing = progress.Pushing;
        if (!isLast && progressAt is { } last && time.GetElapsedTime(last) < Interval) return;
        progressAt = time.GetTimestamp();
        Write(
            RunEventKind.Progress,
            e => e with
            {
                Total = progress.Total, Done = progress.Done, Failed = progress.Failed, Running = progress.Running.Count,
                Bytes = progress.Supplied, Pushing = progress.Pushing,
                RemainingSeconds = progress.Remaining?.TotalSeconds,
                IsGuess = progress.Remaining is null ? null : progress.IsRemainingGuess,
            });
    }

    private void Write(History.NixBuildResult result) => Write(
        RunEventKind.DerivationEnded,
        e => e with
        {
            Derivation = result.DerivationPath,
            Name = result.Name,
            Status = result.Status,
            Builder = result.Builder,
            Seconds = result.Seconds,
            Error = result.Error,
            Phase = result.Phase,
            LogPath = result.LogPath,
            LogTail = result.Success || result.LogTail.Count == 0 ? null : result.LogTail,
        });

    private void Write(RunningCopy copy)
    {
        var isFirst = copies.Add(copy.Id);
        if (isFirst) Write(RunEventKind.CopyBegan, e => Of(e, copy));
        if (copy.State == CopyState.UnderWay) return;
        copies.Remove(copy.Id);
        Write(RunEventKind.CopyEnded, e => Of(e, copy) with { Error = copy.State == CopyState.Failed ? "it did not arrive" : null });
    }

    private void Warn(NixBuildFarmException error) =>
        Warn(string.Join(' ', new[] { error.Message, error.Recommendation }.OfType<string>()));

    private void Warn(string message) => Write(RunEventKind.Warning, e => e with { Message = message });

    private static RunEventLine Of(RunEventLine line, RunningBuild build) =>
        line with { Derivation = build.DerivationPath, Name = build.Name, Builder = build.Builder, LogPath = build.LogPath };

    private static RunEventLine Of(RunEventLine line, RunningCopy copy) => line with
    {
        Copy = copy.Id, Path = copy.Path, From = copy.From, To = copy.To, Bytes = copy.Bytes, Derivation = copy.DerivationPath,
    };

    private void Write(RunEventKind kind, Func<RunEventLine, RunEventLine> complete)
    {
        if (!output.IsOpen) return;
        var line = complete(new() { Event = kind, Time = time.GetUtcNow() }).ToJson();
        output.Write(stream =>
        {
            stream.Write(line);
            stream.WriteByte((byte)'\n');
        });
    }
}
