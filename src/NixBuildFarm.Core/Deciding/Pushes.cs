using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Puts what is built into the stores that want it, as soon as it is built, and beside the builds: none waits for a push, and none fails
/// with one. A builder does it itself where it may; what it cannot push comes to this machine, which does.
/// </summary>
internal sealed class Pushes(RunFacts facts, CopyBacks copyBacks)
{
    /// <summary>How often this machine tries.</summary>
    private const int MaxTries = 4;

    /// <summary>How much longer it waits after each failure than after the one before.</summary>
    private const int PauseFactor = 4;
    private const string NotHome = "its outputs have not come to this machine.";

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    private readonly HashSet<Push> awaited = [];
    private readonly Dictionary<PushTarget, int> failed = [];
    private readonly HashSet<PushTarget> outOfReach = [];
    private int pushes;

    /// <summary>How many have not ended.</summary>
    public int Pending { get; private set; }

    /// <summary>A job was built: its outputs go to the stores that want them and do not have them. To be told before its end is.</summary>
    /// <param name="attempt">What built it.</param>
    /// <param name="outcome">What came of it.</param>
    /// <param name="hasJustEnded">Whether its builder has just said so; else it may be gone.</param>
    public void Begin(Attempt attempt, BuildOutcome outcome, bool hasJustEnded)
    {
        var job = attempt.Job;
        if (outcome.Result.Status != BuildStatus.Built) return;
        foreach (var target in facts.Rules.TargetsOf(job.IsRequested, attempt.On.Builder))
        {
            var push = job.Pushes.FirstOrDefault(known => known.Target == target) ?? Add(job, target);
            if (push.State.State == PushState.Pushed || push.IsUnderWay) continue;
            if (push.State.State == PushState.Failed) Renew(push);
            push.Outputs = job.Outputs;
            var pushesItself = hasJustEnded && attempt.On is { IsLocal: false, Builder.Policy.PushItself: true };
            push.By = pushesItself && !target.IsMachine && !outcome.WasAtHome ? attempt.On : null;
            Start(push);
        }
    }

    /// <summary>Outputs are in the local store.</summary>
    public void OnHome(RunJob job)
    {
        foreach (var push in job.Pushes.Where(awaited.Contains)) Start(push);
    }

    /// <summary>A copy of outputs to the local store has failed, and what follows from that was decided.</summary>
    public void OnCopyFailed(RunJob job)
    {
        if (job.IsHome || job.IsComingHome || facts.Scheduler.StateOf(job.Index) != JobState.Done) return;
        foreach (var push in job.Pushes.Where(awaited.Contains)) Fail(push, NotHome);
    }

    /// <summary>A store has what it was given.</summary>
    public void End(RunEvent.Pushed pushed)
    {
        var push = pushed.Push;
        push.IsUnderWay = false;
        push.State.Become(PushState.Pushed);
        Pending--;
        outOfReach.Remove(push.Target);
        facts.Reporter.Decided($"{push.Job.Name} is in {push.Target}.");
    }

    /// <summary>A store has not got what it was given: it is tried again after a while, and not for ever.</summary>
    public void OnFailed(RunEvent.PushFailed happened)
    {
        var (push, error) = happened;
        push.IsUnderWay = false;
        if (push.By is { } builder)
        {
            push.By = null;
            facts.Reporter.Decided($"{builder} cannot push {push.Job.Name} to {push.Target}, so this machine does: {error.Message}");
            Start(push);
            BringHome(push);
        }
        else if (++push.Failures < MaxTries)
        {
            facts.Reporter.Decided($"{push.Job.Name} is not in {push.Target} yet, and is pushed again: {error.Message}");
            Do(push, FirstPause * Math.Pow(PauseFactor, push.Failures - 1));
        }
        else
        {
            Fail(push, error.Message);
        }
    }

    /// <summary>Nothing is built or copied any more: what is not in the local store by now does not come there.</summary>
    public void GiveUpAwaited()
    {
        foreach (var push in awaited.ToArray()) Fail(push, NotHome);
    }

    /// <summary>The run ends: nothing is pushed any more. Tells what was told of one output only.</summary>
    public void EndAll()
    {
        foreach (var push in facts.Jobs.SelectMany(job => job.Pushes).Where(push => !push.HasEnded))
        {
            Fail(push, "the run was stopped first.");
        }
        foreach (var (target, count) in failed.Where(one => one.Value > 1))
        {
            facts.Reporter.Degraded($"In all, the outputs of {count} derivations that were built are not in {target}.");
        }
        failed.Clear();
        outOfReach.Clear();
    }

    private Push Add(RunJob job, PushTarget target)
    {
        var push = new Push(pushes++, job, target);
        job.Pushes.Add(push);
        Pending++;
        return push;
    }

    /// <summary>What was built again is pushed again.</summary>
    private void Renew(Push push)
    {
        push.State.Become(PushState.Pending);
        push.Failures = 0;
        failed[push.Target]--;
        Pending++;
    }

    private void Start(Push push)
    {
        push.IsAwaited = push is { NeedsHome: true, Job.IsHome: false };
        if (push.IsAwaited)
        {
            awaited.Add(push);
            return;
        }
        awaited.Remove(push);
        Do(push, TimeSpan.Zero);
    }

    /// <summary>What was built earlier comes here for a push alone. What is being built again does so when it is.</summary>
    private void BringHome(Push push)
    {
        if (push is { IsAwaited: true, Job: { IsComingHome: false, Last: { Outcome: { } outcome } last } }
            && facts.Scheduler.StateOf(push.Job.Index) == JobState.Done)
        {
            copyBacks.BringForPush(last, outcome);
        }
    }

    private void Do(Push push, TimeSpan after)
    {
        push.IsUnderWay = true;
        facts.Do(new RunAction.Push(push, after));
    }

    private void Fail(Push push, string error)
    {
        awaited.Remove(push);
        push.IsAwaited = false;
        push.State.Become(PushState.Failed, error);
        Pending--;
        var message = $"{push.Job.Name} was built, and is not in {push.Target}: {FailureText.InOneLine(error)}";
        // A store that is out of reach lacks everything.
        failed[push.Target] = failed.GetValueOrDefault(push.Target) + 1;
        if (outOfReach.Add(push.Target))
        {
            facts.Reporter.Degraded($"{message} To try again: nix copy --to {push.Target} {string.Join(' ', push.Outputs)}");
            return;
        }
        facts.Reporter.Decided(message);
    }
}
