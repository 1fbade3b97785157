using NixBuildFarm.History;
using NixBuildFarm.Store;

namespace NixBuildFarm.Deciding;

/// <summary>The outputs of a job on their way to a store that wants what is built. Touched by the run's own loop only.</summary>
/// <param name="number">Which push of the run it is.</param>
/// <param name="job">The job.</param>
/// <param name="target">The store.</param>
internal sealed class Push(int number, RunJob job, PushTarget target)
{
    /// <summary>Which push of the run it is.</summary>
    public int Number => number;

    /// <summary>The job.</summary>
    public RunJob Job => job;

    /// <summary>The store.</summary>
    public PushTarget Target => target;

    /// <summary>What the user sees of it.</summary>
    public NixBuildPush State { get; } = new() { Store = target.Name };

    /// <summary>The builder that puts the outputs into the store itself; null: this machine does.</summary>
    public RunBuilder? By { get; set; }

    /// <summary>What goes there.</summary>
    public IReadOnlyList<StorePath> Outputs { get; set; } = [];

    /// <summary>How often this machine has failed to do it.</summary>
    public int Failures { get; set; }

    /// <summary>Whether the outputs have to come to this machine first.</summary>
    public bool IsAwaited { get; set; }

    /// <summary>Whether it goes on, or waits to be tried again.</summary>
    public bool IsUnderWay { get; set; }

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded => State.State != PushState.Pending;

    /// <summary>Whether this machine needs the outputs for it: whichever store has them gives them to a machine.</summary>
    public bool NeedsHome => By is null && !target.IsMachine;

    /// <summary>What goes where.</summary>
    public override string ToString() => $"{job.Name} to {target}{(By is null ? "" : $" by {By}")}";
}
