using NixBuildFarm.History;
using NixBuildFarm.Observing;

namespace NixBuildFarm.Reporting.Events;

/// <summary>The events of a past run, as far as its record has them: no copies between builders, no phases, no machines.</summary>
public static class RunEventReplay
{
    /// <summary>Writes them, in the order of time.</summary>
    public static void Write(RunRecord run, Stream output)
    {
        foreach (var line in EventsOf(run).OrderBy(line => line.Time))
        {
            output.Write(line.ToJson());
            output.WriteByte((byte)'\n');
        }
    }

    private static IEnumerable<RunEventLine> EventsOf(RunRecord run)
    {
        yield return new() { Event = RunEventKind.RunBegan, Time = run.Started, Run = run.Id, Requested = run.Requested };
        yield return new()
        {
            Event = RunEventKind.WorkFound,
            Time = run.Started.AddSeconds(run.EvaluationSeconds),
            Derivations = [.. run.Jobs.Select(job => new FoundDerivation(job.DerivationPath, job.Job.Name, job.Job.System)
            {
                IsFetched = job.IsSubstitution,
                IsRequested = job.Job.IsRequested,
                Needs = job.Job.Dependencies,
            })],
        };
        foreach (var job in run.Jobs)
        {
            if ((job.SupplyStart ?? job.Start) is { } begun)
            {
                yield return Of(run, job, RunEventKind.BuildBegan, begun) with
                {
                    Phase = job.SupplyStart is null ? "building" : "supplying",
                    ExpectedSeconds = job.ExpectedSeconds,
                    IsGuess = job.ExpectedSeconds is null ? null : job.IsGuess,
                };
            }
            if (job.GoesOnIn(run)) continue;
            yield return Of(run, job, RunEventKind.DerivationEnded, job.Start is null ? run.EvaluationSeconds : job.End) with
            {
                Status = job.Status,
                Seconds = job.Seconds,
                Error = job.Error,
                Phase = job.Phase,
                LogPath = job.LogPath,
            };
        }
        if (run.State != RunState.Running) yield return new() { Event = RunEventKind.RunEnded, Time = run.Ended, State = run.State };
    }

    private static RunEventLine Of(RunRecord run, RecordedJob job, RunEventKind kind, double at) => new()
    {
        Event = kind,
        Time = run.Started.AddSeconds(at),
        Derivation = job.DerivationPath,
        Name = job.Job.Name,
        Builder = job.Builder,
    };
}
