using NixBuildFarm.Deciding;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Running;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Serving;

/// <summary>One order in a run that several share: what of the run is its own, for its client and for the history.</summary>
internal sealed class FarmOrderRun
{
    private readonly HashSet<string> derivations = [];
    private readonly HashSet<string> requested;
    private readonly HashSet<string> outputs = [];
    private readonly IBuildObserver client;
    private readonly RunHistory history;
    private readonly RunRecorder recorder;
    private readonly List<NixBuildResult> results;
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object gate = new();
    private readonly HashSet<RunJob> jobs = [];
    private int substitutions;

    /// <summary>Begins to keep the order in the history.</summary>
    /// <param name="order">What is wanted.</param>
    /// <param name="runId">Its id in the history.</param>
    /// <param name="jobs">What has to be done for it.</param>
    /// <param name="client">Is told what happens to it.</param>
    /// <param name="history">Keeps it.</param>
    /// <param name="clock">Its time.</param>
    public FarmOrderRun(BuildOrder order, string runId, RunJobs jobs, IBuildObserver client, RunHistory history, RunClock clock)
    {
        (Order, RunId, Jobs, this.client, this.history) = (order, runId, jobs, client, history);
        Want(jobs.Jobs.Where(job => job.Expansion is null));
        requested = [.. order.Derivations.Select(derivation => derivation.Derivation.ToString())];
        recorder = new(runId, order.Named.Count > 0 ? order.Named : [.. requested], clock) { Jobs = jobs };
        results = [.. jobs.AlreadyValid(runId)];
        client.Observe(new RunNews.Began(runId, recorder.Requested));
        client.Observe(new RunNews.Found(jobs.Describe(estimateOf: null)));
        foreach (var valid in results) client.Observe(new RunNews.Ended(valid));
        history.Note(recorder.Ongoing());
    }

    /// <summary>What is wanted.</summary>
    public BuildOrder Order { get; }

    /// <summary>Its id in the history.</summary>
    public string RunId { get; }

    /// <summary>What has to be done for it, as it was found before it joined.</summary>
    public RunJobs Jobs { get; }

    /// <summary>Ends when all of it has ended, or what fails has called it off.</summary>
    public Task Ended => ended.Task;

    /// <summary>Whether a derivation is built for it.</summary>
    public bool Wants(string derivation)
    {
        lock (gate) return derivations.Contains(derivation);
    }

    /// <summary>It has joined the run, or more has for it. Some of these jobs may have ended before.</summary>
    public void Join(IReadOnlyList<RunJob> joined)
    {
        Want(joined);
        jobs.UnionWith(joined);
        recorder.Joined = [.. jobs];
        foreach (var result in joined.Select(job => job.Result).OfType<NixBuildResult>()) Tell(new RunNews.Ended(result));
    }

    /// <summary>Tells the client what concerns it.</summary>
    public void Tell(RunNews news)
    {
        switch (news)
        {
            case RunNews.Ended(var result) when Wants(result.DerivationPath): End(result); break;
            case RunNews.Printed(var build, _) when Wants(build.DerivationPath): client.Observe(news); break;
            case RunNews.Progressed(var progress): client.Observe(new RunNews.Progressed(OwnPart(progress))); break;
            case RunNews.Copying(var copy) when IsFor(copy): client.Observe(news); break;
            case RunNews.Ended or RunNews.Printed or RunNews.Copying: break;
            default: client.Observe(news); break;
        }
    }

    /// <summary>Keeps how far it is.</summary>
    public void Keep(IReadOnlyList<FarmBuilder> farm)
    {
        recorder.Farm = farm;
        if (history.WantsRecord) history.Note(recorder.Ongoing());
    }

    /// <summary>All of it has ended, or it was called off. What goes on for others is no longer its affair.</summary>
    public void Finish()
    {
        foreach (var job in jobs.Where(job => !IsTold(job)))
        {
            End(job.Result ?? Unfinished(job));
        }
        EndAs(recorder.Ended());
        ended.TrySetResult();
    }

    /// <summary>Its results, in the order in which they came.</summary>
    public IReadOnlyList<NixBuildResult> End()
    {
        if (Jobs.Jobs.Count == 0) EndAs(recorder.Ended());
        lock (gate) return [.. results];
    }

    /// <summary>It has met an error, or its client does not want it any more.</summary>
    public void Break(Exception error) => EndAs(recorder.Broken(error));

    private void EndAs(RunRecord record)
    {
        history.Note(record);
        client.Observe(new RunNews.Over(record.State));
    }

    private void Want(IEnumerable<RunJob> more)
    {
        lock (gate)
        {
            foreach (var job in more.Where(job => derivations.Add(job.Path.ToString())))
            {
                if (job.IsSubstitution) substitutions++;
                foreach (var path in job.Outputs) outputs.Add(path.ToString());
            }
        }
    }

    /// <summary>What is copied home is for whoever wants it built.</summary>
    private bool IsFor(RunningCopy copy)
    {
        if (copy.DerivationPath is { } derivation) return Wants(derivation);
        lock (gate) return outputs.Contains(copy.Path);
    }

    private bool IsTold(RunJob job)
    {
        lock (gate) return results.Any(result => result.DerivationPath == job.Path.ToString());
    }

    private void End(NixBuildResult result)
    {
        var own = result.For(RunId, requested.Contains(result.DerivationPath));
        lock (gate)
        {
            // One that is built anew for another order ends twice.
            results.RemoveAll(other => other.DerivationPath == own.DerivationPath);
            results.Add(own);
        }
        client.Observe(new RunNews.Ended(own));
    }

    private NixBuildResult Unfinished(RunJob job) => new()
    {
        Name = job.Name,
        DerivationPath = job.Path.ToString(),
        System = job.Derivation.System,
        Status = NixBuildStatus.Cancelled,
        Error = "The order was called off before it was built.",
        RunId = RunId,
    };

    private RunProgress OwnPart(RunProgress progress)
    {
        int done, failed;
        lock (gate)
        {
            done = results.Count(result => result.Success && Wants(result.DerivationPath));
            failed = results.Count(result => !result.Success);
        }
        return progress with
        {
            Total = derivations.Count,
            Substitutions = substitutions,
            Done = done,
            Failed = failed,
            Running = [.. progress.Running.Where(build => Wants(build.DerivationPath))],
        };
    }
}
