using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Tells the loss of the network, or the sleep of this machine, from the loss of a builder: then all builders are lost at about the same
/// time. No derivation is to blame for that, so that what it interrupts counts as no try, however often it happens.
/// </summary>
internal sealed class Outage(RunFacts facts)
{
    /// <summary>Seconds within which all notice: a silent connection takes some time to be given up.</summary>
    private const double Together = 60;

    private readonly List<(int Builder, double At, IReadOnlyList<Attempt> Interrupted)> losses = [];

    /// <summary>Takes note of a loss, and takes the tries back where all builders but this machine are lost with it.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="interrupted">The builds that it had begun, each of which was counted as a try.</param>
    public void Note(int builder, IReadOnlyList<Attempt> interrupted)
    {
        losses.RemoveAll(loss => loss.At < facts.Now - Together || loss.Builder == builder);
        losses.Add((builder, facts.Now, interrupted));
        // One alone says nothing: what it builds may be too much for it.
        if (losses.Count == 1 || !Enumerable.Range(0, facts.Farm.Count).All(IsAway)) return;
        // What several builders were at may have taken them down itself, and keeps its tries.
        foreach (var job in losses.SelectMany(loss => loss.Interrupted).GroupBy(attempt => attempt.Job).Where(tries => tries.Count() == 1))
        {
            job.Key.Tries--;
        }
        losses.Clear();
    }

    private bool IsAway(int builder) => facts.Farm[builder].IsLocal || facts.Scheduler.StatusOf(builder) == BuilderStatus.Lost;
}
