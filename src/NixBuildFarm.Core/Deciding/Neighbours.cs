namespace NixBuildFarm.Deciding;

/// <summary>
/// Other runs that hold the slots of a builder: what waits there for long may start elsewhere, and nothing more starts there until this run
/// has its turn.
/// </summary>
internal sealed class Neighbours(RunFacts facts, Attempts attempts)
{
    private readonly HashSet<RunBuilder> awaited = [];
    private readonly HashSet<string> told = [];

    /// <summary>A build has waited for a slot.</summary>
    public void OnSlotAwaited(RunEvent.SlotAwaited e)
    {
        var (attempt, on) = (e.Attempt, e.Attempt.On);
        if (!attempts.Counts(attempt) || attempt.Step != AttemptStep.Supplying) return;
        attempts.Withdraw(attempt);
        if (!awaited.Add(on)) return;
        facts.Hold(attempt.Builder, this, isHeld: true);
        facts.Do(new RunAction.AwaitSlot(on));
        Tell(on, e.Holders);
    }

    /// <summary>It still waits. Where nothing else goes on, the user may want to do something about it.</summary>
    public void OnSlotStillAwaited(RunEvent.SlotStillAwaited e)
    {
        if (!awaited.Contains(e.On)) return;
        var message = $"All slots of {e.On} are still taken, by {Whom(e.Holders)}. What only {e.On} may take waits until one is free. "
            + "A run that was stopped keeps its slots until it goes on or is ended, where it was started.";
        if (attempts.Running.Count == 0) facts.Reporter.Degraded(message);
        else facts.Reporter.Decided(message);
    }

    /// <summary>This run has its turn, or the builder is lost.</summary>
    public void OnSlotFree(RunEvent.SlotFree e)
    {
        if (awaited.Remove(e.On) && facts.IndexOf(e.On) is >= 0 and var builder) facts.Hold(builder, this, isHeld: false);
    }

    private void Tell(RunBuilder on, IReadOnlyList<string> holders)
    {
        var message = $"All slots of {on} are taken, by {Whom(holders)}. Builds wait for their turn there, or go elsewhere.";
        if (told.Add(on.Name)) facts.Reporter.Degraded(message);
        else facts.Reporter.Decided(message);
    }

    private static string Whom(IReadOnlyList<string> holders) => holders.Count == 0 ? "others" : string.Join("; ", holders.Distinct());
}
