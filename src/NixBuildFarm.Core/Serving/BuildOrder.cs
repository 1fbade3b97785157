using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Serving;

/// <summary>What a client wants built.</summary>
/// <param name="Derivations">The derivations, with the outputs that are wanted.</param>
/// <param name="Source">Where the derivations are read from.</param>
/// <param name="Settings">What the client has set.</param>
internal sealed record BuildOrder(IReadOnlyList<RequestedDerivation> Derivations, IDerivationSource Source, ClientSettings Settings)
{
    /// <summary>The same in the user's words, for the history; none: the derivations speak for themselves.</summary>
    public IReadOnlyList<string> Named { get; init; } = [];

    /// <summary>Who wants it; null: the farm's own user.</summary>
    public Asker? Asker { get; init; }

    /// <summary>Whether an evaluation has stopped for it (import from derivation), as far as can be told.</summary>
    public bool IsForEvaluation { get; init; }

    /// <summary>
    /// What is larger goes first among the orders of a user: what an evaluation waits for, and then what the user finds urgent. What nobody
    /// waits for does not become urgent by what it evaluates.
    /// </summary>
    public int Urgency => (Asker?.Priority ?? BuildPriority.Normal) switch
    {
        BuildPriority.Low => (int)BuildPriority.Low,
        _ when IsForEvaluation => (int)BuildPriority.High + 1,
        var priority => (int)priority,
    };
}

/// <summary>A run that an order has become.</summary>
/// <param name="RunId">Its id.</param>
/// <param name="Results">
/// What became of each derivation that had to be built or fetched, or was asked for; the outputs are valid in the local store then. Fails
/// with a
/// <see cref="Errors.NixBuildFarmException"/> where nothing could be built at all.
/// </param>
internal sealed record BuildTicket(string RunId, Task<IReadOnlyList<NixBuildResult>> Results);

/// <summary>Builds what clients want, on the farm. Safe for concurrent use.</summary>
internal interface IBuildService
{
    /// <summary>The runs that go on.</summary>
    IReadOnlyList<string> Runs { get; }

    /// <summary>Begins to build.</summary>
    /// <param name="order">What is wanted.</param>
    /// <param name="observer">Is told what happens to it.</param>
    /// <param name="cancellation">The client wants it no longer.</param>
    BuildTicket Begin(BuildOrder order, IBuildObserver observer, CancellationToken cancellation);

    /// <summary>Ends a run; false where none of that id goes on.</summary>
    bool Stop(string runId);
}
