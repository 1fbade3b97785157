using NixBuildFarm.Builders;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>
/// The builders that may still join, and the jobs that wait for one of them because no builder of the farm may take them.
/// </summary>
internal sealed class PendingBuilders(RunFacts facts, BuilderTroubles troubles)
{
    private readonly HashSet<RunJob> waiting = [];
    private int pending;
    private int connecting;
    private int connections;

    /// <summary>Whether a builder of the farm still connects that has not taken part yet.</summary>
    public bool AreConnecting => connecting > 0;

    /// <summary>Registers a builder that may join.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="cause">Why it is connected.</param>
    /// <param name="isAwaited">Whether jobs wait for it.</param>
    /// <param name="had">Jobs whose outputs it had when it was lost.</param>
    public PendingConnection Add(NixBuilder builder, ConnectCause cause, bool isAwaited, params IReadOnlyList<RunJob> had)
    {
        if (isAwaited) pending++;
        if (cause == ConnectCause.FirstTime && connecting++ == 0) facts.Apply(new SchedulingEvent.BuildersExpected(facts.Now, true));
        var connection = new PendingConnection(connections++, builder.Name, cause, isAwaited, had);
        facts.Expected.Add(connection);
        return connection;
    }

    /// <summary>The builder has joined, or cannot.</summary>
    public void Settle(PendingConnection connection)
    {
        if (connection.Cause == ConnectCause.FirstTime && --connecting == 0)
        {
            facts.Apply(new SchedulingEvent.BuildersExpected(facts.Now, false));
        }
        facts.Expected.Remove(connection);
        if (connection.IsAwaited) Settle();
    }

    /// <summary>Registers the end of a quarantine.</summary>
    public void AddPause() => pending++;

    /// <summary>One builder less to wait for; the last one decides on the jobs that wait.</summary>
    public void Settle()
    {
        WakeQuarantined();
        if (--pending > 0) return;
        foreach (var job in waiting.Where(IsWithoutBuilder).ToArray()) OnNoBuilder(job);
        waiting.Clear();
    }

    /// <summary>No builder of the farm may take a job: it waits for those that may join, or fails.</summary>
    public void OnNoBuilder(RunJob job)
    {
        // A substitution waits for its substituter, and a derivation that is made for what makes it.
        if (!job.IsBuild) return;
        if (pending > 0)
        {
            if (waiting.Add(job) && waiting.Count == 1) TellOfWait(job);
            WakeQuarantined();
            return;
        }
        var why = WhyNot(job);
        facts.Apply(new SchedulingEvent.JobResolved(facts.Now, job.Index, ExternalOutcome.Cancelled));
        if (job.Attempts.Count > 0)
        {
            facts.Fail(job, NixBuildStatus.Failed, error: $"No builder is left for it: {string.Join("; ", job.Attempts)}");
        }
        else facts.Fail(job, NixBuildStatus.NoEligibleBuilder, error: $"No builder of this run may build it. {why}");
    }

    /// <summary>The first job that waits says for what; it is a wait only where the builders were there before.</summary>
    private void TellOfWait(RunJob job)
    {
        string[] lost =
        [
            .. facts.Farm.Where((_, index) => facts.Scheduler.StatusOf(index) == BuilderStatus.Lost)
                .Where(builder => troubles.IsAwaited(builder.Builder))
                .Select(builder => builder.Name),
        ];
        if (lost.Length == 0) return;
        facts.Reporter.Degraded($"{job.Name} can be built when {string.Join(" or ", lost)} is back. It is waited for, for "
            + $"{facts.Rules.MaxAbsence.TotalMinutes:0.#} min at the longest (-MaxAbsence).");
    }

    private bool IsWithoutBuilder(RunJob job) =>
        facts.Scheduler.StateOf(job.Index) == JobState.Ready && facts.Scheduler.WhyNot(job.Index).All(why => why is not null);

    /// <summary>The builders that connect may take the jobs that wait; if none does, those that are quarantined may.</summary>
    private void WakeQuarantined()
    {
        if (waiting.Count > 0 && connecting == 0) facts.Do(new RunAction.WakeQuarantined());
    }

    /// <summary>Why no builder takes a job, with those that have not joined.</summary>
    private string WhyNot(RunJob job)
    {
        var scheduler = facts.Scheduler;
        var here = scheduler.Builders;
        var absent = facts.Estimates.Farm.Where(builder => here.All(other => other.Name != builder.Name)).ToArray();
        var reasons = scheduler.WhyNot(job.Index)
            .Zip(
                here,
                (why, builder) => IsLost(builder) ? troubles.ReasonOf(builder.Name) ?? why : why is null ? null : Missing(builder) ?? why);
        return ReasonText.Refusals(
            [
                .. reasons,
                .. absent.Select(
                    builder =>
                        Eligibility.Of(scheduler.Graph[job.Index], builder).Problem ?? troubles.ReasonOf(builder.Name)
                            ?? "it has not answered"),
            ],
            [.. here, .. absent]);

        string? Missing(FarmBuilder builder) =>
            facts.SwitchedOff.Where(one => one.Builder == builder.Name && FailureClassifier.Needs(job.Derivation, one.Feature))
                .Select(one => $"its nix.conf does not enable {one.Feature}")
                .FirstOrDefault();

        bool IsLost(FarmBuilder builder) =>
            facts.IndexOf(builder.Name) is >= 0 and var index && scheduler.StatusOf(index) == BuilderStatus.Lost;
    }
}
