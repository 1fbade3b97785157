using System.Diagnostics.CodeAnalysis;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Work;

namespace NixBuildFarm.Deciding;

/// <summary>One derivation that the run builds or substitutes, and how far that is. Touched by the run's own loop only.</summary>
internal sealed class RunJob : WorkItem
{
    /// <summary>Makes a job.</summary>
    public RunJob()
    {
    }

    /// <summary>Makes a job of work that joins a run.</summary>
    /// <param name="item">The work.</param>
    /// <param name="index">The index of the job in the run.</param>
    [SetsRequiredMembers]
    public RunJob(WorkItem item, int index)
    {
        (Index, Node, IsSubstitution, IsRequested, Unresolved, Inputs, Wanted) = (
            index, item.Node, item.IsSubstitution, item.IsRequested, item.Unresolved, item.Inputs, item.Wanted);
        (Realised, Limits, Expansion) = (item.Realised, item.Limits, item.Expansion);
    }

    /// <summary>The job as the scheduler has it; null until it has it.</summary>
    public Job? Described { get; set; }

    /// <summary>The requests that want it, and whether each asks for it itself rather than for something that needs it.</summary>
    public Dictionary<int, bool> WantedBy { get; } = [];

    /// <summary>Tries that came to nothing.</summary>
    public List<NixBuildAttempt> Attempts { get; } = [];

    /// <summary>Whether a build of it was killed, probably for want of memory.</summary>
    public bool WasKilled { get; set; }

    /// <summary>How many tries have failed for reasons of their builders; those that only gave way to others do not count.</summary>
    public int Tries { get; set; }

    /// <summary>Builds of it that are under way, by the scheduler's index of the builder.</summary>
    public Dictionary<int, Attempt> Running { get; } = [];

    /// <summary>Whether what is expected of it follows from the phase that one of them has come to.</summary>
    public bool IsExpectedByPhase => Running.Values.Any(attempt => attempt.ExpectedByPhase is not null);

    /// <summary>When its inputs were built.</summary>
    public DateTimeOffset? Ready { get; set; }

    /// <summary>The last try that built it, or failed for good.</summary>
    public Attempt? Last { get; set; }

    /// <summary>Whether its outputs have been copied back as they are now.</summary>
    public bool IsHome { get; set; }

    /// <summary>Whether a derivation that it makes is read as soon as its outputs are in the local store.</summary>
    public bool IsAwaitedAtHome { get; set; }

    /// <summary>Whether its outputs are needed in the local store.</summary>
    public bool MustComeHome => IsRequested || IsAwaitedAtHome;

    /// <summary>The try whose outputs are on their way to the local store; null: none are.</summary>
    public Attempt? ComingHome { get; set; }

    /// <summary>Whether outputs are on their way to the local store.</summary>
    public bool IsComingHome => ComingHome is not null;

    /// <summary>Its outputs on their way to other stores.</summary>
    public List<Push> Pushes { get; } = [];

    /// <summary>What was told of its end; null while it has not ended.</summary>
    public NixBuildResult? Result { get; set; }

    /// <summary>What went wrong after its end was told, when it was built again or asked for later; null: nothing.</summary>
    public string? LateError { get; set; }

    /// <summary>Whether its end has been told.</summary>
    public bool HasEnded => Result is not null;
}
