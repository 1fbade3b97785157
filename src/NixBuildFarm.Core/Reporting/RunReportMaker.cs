using NixBuildFarm.History;
using NixBuildFarm.Logs;
using NixBuildFarm.Measuring;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Reporting;

/// <summary>Makes the report of a run from its record.</summary>
public static class RunReportMaker
{
    private const string Substituters = "substituters";
    private const int LogLines = 40;

    /// <summary>Makes a report. Reads the logs of failed builds if they still exist, and of those that go on.</summary>
    /// <param name="run">The run.</param>
    /// <param name="comparedTo">An earlier run that it is compared to; null: none.</param>
    public static RunReport ToReport(this RunRecord run, RunRecord? comparedTo = null)
    {
        var rows = new Rows(run);
        var jobs = new ReportJob[run.Jobs.Count];
        for (var i = 0; i < jobs.Length; i++) jobs[i] = Describe(run, run.Jobs[i], rows);
        rows.Assign(jobs);
        var (copies, copyLanes) = CopiesOf(run, rows);

        var span = SpanOf(run);
        return new()
        {
            RunId = run.Id,
            Started = run.Started,
            Seconds = (run.Ended - run.Started).TotalSeconds,
            EvaluationSeconds = run.EvaluationSeconds,
            State = run.State,
            Requested = run.Requested,
            Error = run.Error,
            Makespan = run.Makespan,
            LowerBound = BoundOf(run),
            SuppliedBytes = run.Jobs.Sum(job => job.SuppliedBytes),
            Builders = [.. rows.Names.Select((name, row) => DescribeBuilder(run, name, row, jobs, rows, span))],
            Jobs = jobs,
            Copies = copies,
            CopyLanes = copyLanes,
            CriticalPath = LatestChain(run.Jobs),
            ComparedTo = comparedTo is null ? null : Compare(run, comparedTo),
        };
    }

    private static ReportComparison Compare(RunRecord run, RunRecord other) => new()
    {
        RunId = other.Id,
        Started = other.Started,
        State = other.State,
        Seconds = (other.Ended - other.Started).TotalSeconds,
        Makespan = other.Makespan,
        LowerBound = BoundOf(other),
        Derivations = RunComparison.Of(run, other),
    };

    private static ReportJob Describe(RunRecord run, RecordedJob job, Rows rows) => new()
    {
        Name = job.Job.Name,
        DerivationPath = job.DerivationPath,
        System = job.Job.System,
        Status = job.GoesOnIn(run) ? null : job.Status,
        Builder = job.Start is null && job.SupplyStart is null ? null : rows.IndexOf(job.IsSubstitution ? Substituters : job.Builder),
        SupplyStart = job.SupplyStart,
        Start = job.Start,
        Seconds = job.Seconds,
        Waited = job.Waited,
        ExpectedSeconds = job.ExpectedSeconds,
        IsGuess = job is { ExpectedSeconds: not null, IsGuess: true } ? true : null,
        Cores = job.Cores,
        SuppliedBytes = job.SuppliedBytes,
        OutputBytes = job.OutputBytes,
        PeakMemory = job.PeakMemory,
        ProcessorSeconds = job.ProcessorSeconds,
        IsRequested = job.Job.IsRequested,
        Dependencies = job.Job.Dependencies,
        Compiles = job.SharedCompiles is { } shared ? Describe(run, shared) : null,
        Attempts = [.. job.Attempts.Select(attempt => new ReportAttempt
        {
            Builder = rows.IndexOf(attempt.Builder),
            Start = (attempt.Started - run.Started).TotalSeconds,
            Seconds = attempt.Duration.TotalSeconds,
            Reason = attempt.Reason,
            GaveWay = attempt.GaveWay,
        })],
        Error = job.GoesOnIn(run) ? null : job.Error,
        LogPath = job.LogPath,
        Phase = job.Phase,
        BuildFolder = job.BuildFolder,
        LogTail = job.Status.HasFailed() || job.GoesOnIn(run) ? LogFile.TailOf(job.LogPath, LogLines) : [],
    };

    private static ReportCompiles Describe(RunRecord run, SharedCompiles shared) => new()
    {
        Count = shared.Count,
        Shared = shared.Shared,
        Reused = shared.Reused,
        SavedSeconds = shared.Saved?.TotalSeconds,
        Builders =
        [
            .. shared.Builders.Where(builder => builder.Count > 0)
                .Select(builder => new ReportBuilderCompiles(builder.Builder, builder.Count)),
        ],
        Elsewhere = [.. shared.Spans.Select(span => new ReportCompile((span.Started - run.Started).TotalSeconds, span.Seconds))],
    };

    /// <summary>The seconds that builders could be busy: the makespan, of a run that goes on what there is of it by now.</summary>
    private static double SpanOf(RunRecord run)
    {
        if (run.State != RunState.Running) return run.Makespan;
        var elapsed = (run.Ended - run.Started).TotalSeconds;
        return elapsed - run.Jobs.Select(job => job.SupplyStart ?? job.Start ?? elapsed).DefaultIfEmpty(elapsed).Min();
    }

    private static ReportBuilder DescribeBuilder(RunRecord run, string name, int row, ReportJob[] jobs, Rows rows, double span)
    {
        var own = jobs.Where(job => job.Builder == row).ToArray();
        var known = run.Farm.FirstOrDefault(builder => builder.Name == name);
        // A builder may be lost before it is described.
        var slots = known is { MaxJobs: > 0 } ? known.MaxJobs : Math.Max(1, rows.LanesOf(row));
        var busy = own.Sum(job => job.Seconds);
        return new()
        {
            Name = name,
            Kind = name == Substituters && known is null ? ReportBuilderKind.Substituters : ReportBuilderKind.Builder,
            Systems = known is null ? [] : [.. known.Systems.Select(system => system.System)],
            Slots = slots,
            Lanes = Math.Max(1, rows.LanesOf(row)),
            Builds = own.Count(job => job.Status == NixBuildStatus.Built),
            BusySeconds = busy,
            Utilisation = span > 0 ? Math.Min(1, busy / (slots * span)) : 0,
            SuppliedBytes = own.Sum(job => job.SuppliedBytes),
        };
    }

    /// <summary>Copies from one builder that began at the same moment are one copy.</summary>
    private static (ReportCopy[] Copies, int Lanes) CopiesOf(RunRecord run, Rows rows)
    {
        var lanes = new Lanes();
        ReportCopy[] copies = [.. run.Jobs.Select((job, index) => (Job: job, Index: index, From: rows.IndexOf(job.Builder)))
            .Where(job => job is { Job.HomeStart: not null, From: not null })
            .GroupBy(job => (From: job.From!.Value, Start: job.Job.HomeStart!.Value))
            .OrderBy(lot => lot.Key.Start)
            .Select(lot => new ReportCopy
            {
                Builder = lot.Key.From,
                Lane = 0,
                Start = lot.Key.Start,
                Seconds = lot.Max(job => job.Job.HomeSeconds),
                Bytes = lot.Sum(job => job.Job.OutputBytes),
                Jobs = [.. lot.Select(job => job.Index)],
            })];
        for (var i = 0; i < copies.Length; i++)
        {
            var index = i;
            lanes.Add(copies[i].Start, copies[i].Start + copies[i].Seconds, lane => copies[index] = copies[index] with { Lane = lane });
        }
        lanes.Assign();
        return (copies, lanes.Count);
    }

    private static double? BoundOf(RunRecord run)
    {
        if (run.State != RunState.Succeeded || !run.Jobs.Any(job => job.IsBuilt)) return null;
        var scenario = RunReplay.Of(run).Scenario;
        // Where compiles were shared, no bound holds that has each build done by one builder.
        var compiles = run.Jobs.Any(job => job.SharedCompiles is not null) ? scenario.Durations.Compiles : null;
        return LowerBound.Of(scenario.Graph, scenario.Farm, scenario.Durations.Seconds, moldable: true, compiles).Seconds;
    }

    // With waits: it is the chain that the run waited for. NixBuildMeasurement.LongestChain is the one that bounds every farm.
    private static List<int> LatestChain(IReadOnlyList<RecordedJob> jobs)
    {
        var path = new List<int>();
        var seen = new HashSet<int>();
        var last = LastOf(jobs, Enumerable.Range(0, jobs.Count));
        for (; last is { } job && seen.Add(job); last = LastOf(jobs, jobs[job].Job.Dependencies)) path.Add(job);
        path.Reverse();
        return path;
    }

    private static int? LastOf(IReadOnlyList<RecordedJob> jobs, IEnumerable<int> among) => among
        .Where(job => job >= 0 && job < jobs.Count && jobs[job].Start is not null && jobs[job].Status.IsSuccess())
        .OrderByDescending(job => jobs[job].End).Select(job => (int?)job).FirstOrDefault();

    /// <summary>The rows of the drawing by name, in the order of the farm; names that only the jobs have come after.</summary>
    private sealed class Rows
    {
        private readonly Dictionary<string, int> indexOf = [];
        private readonly List<Lanes> lanes = [];

        public Rows(RunRecord run)
        {
            foreach (var builder in run.Farm) Add(builder.Name);
            var started = run.Jobs.Where(job => !job.IsSubstitution && job.SupplyStart is not null);
            foreach (var builder in started.Select(job => job.Builder).OfType<string>()) Add(builder);
            foreach (var attempt in run.Jobs.SelectMany(job => job.Attempts)) Add(attempt.Builder);
            if (run.Jobs.Any(job => job.IsSubstitution && job.Start is not null)) Add(Substituters);
        }

        public IEnumerable<string> Names => indexOf.OrderBy(row => row.Value).Select(row => row.Key);

        public int? IndexOf(string? name) => name is not null && indexOf.TryGetValue(name, out var row) ? row : null;

        public int LanesOf(int row) => lanes[row].Count;

        public void Assign(ReportJob[] jobs)
        {
            for (var i = 0; i < jobs.Length; i++)
            {
                var index = i;
                if (jobs[i] is { Builder: { } row } job && (job.SupplyStart ?? job.Start) is { } start)
                {
                    lanes[row].Add(start, (job.Start ?? start) + job.Seconds, lane => jobs[index] = jobs[index] with { Lane = lane });
                }
                for (var a = 0; a < jobs[i].Attempts.Count; a++)
                {
                    var (attempt, number) = (jobs[i].Attempts[a], a);
                    if (attempt.Builder is not { } where) continue;
                    lanes[where].Add(attempt.Start, attempt.Start + attempt.Seconds, lane =>
                    {
                        ReportAttempt[] attempts = [.. jobs[index].Attempts];
                        attempts[number] = attempts[number] with { Lane = lane };
                        jobs[index] = jobs[index] with { Attempts = attempts };
                    });
                }
            }
            foreach (var own in lanes) own.Assign();
        }

        private void Add(string name)
        {
            if (indexOf.TryAdd(name, indexOf.Count)) lanes.Add(new());
        }
    }
}
