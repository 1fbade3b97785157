using NixBuildFarm.Scheduling;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Work;

/// <summary>One derivation to build, to substitute or to find out, and what is known of it beforehand.</summary>
internal class WorkItem
{
    // No builder builds for these systems: such a job waits until the run says that its outputs are there, or what it stands for.
    private const string Substitution = "substitution";
    private const string Expanding = "expansion";

    private readonly IReadOnlyList<StorePath> knownInputs = [];

    /// <summary>Index in the scheduler's job graph.</summary>
    public required int Index { get; init; }

    /// <summary>The derivation, in the graph of all that was asked for.</summary>
    public required DerivationNode Node { get; init; }

    /// <summary>Whether its outputs come from a substituter rather than from a build.</summary>
    public required bool IsSubstitution { get; init; }

    /// <summary>The derivation that is to be found out; null: it is known.</summary>
    public Expansion? Expansion { get; init; }

    /// <summary>Whether a builder builds it.</summary>
    public bool IsBuild => !IsSubstitution && Expansion is null;

    /// <summary>Whether somebody asks for it itself.</summary>
    public required bool IsRequested { get; set; }

    /// <summary>What it is resolved from before it is built; null: all paths are known, and it is built as it is.</summary>
    public required UnresolvedDerivation? Unresolved { get; init; }

    /// <summary>
    /// The store paths that it needs directly: sources, and the outputs it uses of other derivations; until it is resolved those that are
    /// known.
    /// </summary>
    public required IReadOnlyList<StorePath> Inputs
    {
        get => Resolved?.Derivation.InputSources ?? knownInputs;
        init => knownInputs = value;
    }

    /// <summary>The outputs that are needed.</summary>
    public required IReadOnlyList<StorePath> Wanted { get; init; }

    /// <summary>What whoever asked has set for the build of it.</summary>
    public BuildLimits Limits { get; set; } = BuildLimits.None;

    /// <summary>The path of the derivation.</summary>
    public StorePath Path => Node.Path;

    /// <summary>The derivation.</summary>
    public Derivation Derivation => Node.Derivation;

    /// <summary>What it is resolved to; null: nothing yet, or it need not be.</summary>
    public ResolvedDerivation? Resolved => Unresolved?.Resolved;

    /// <summary>The derivation that is built: the resolved one, where there is one; else what the node has of it.</summary>
    public Derivation DerivationToBuild => Resolved?.Derivation ?? Derivation;

    /// <summary>The same in full.</summary>
    /// <exception cref="Errors.NixBuildFarmException">It cannot be read any more.</exception>
    public Task<Derivation> ReadDerivationToBuildAsync(CancellationToken cancellation) =>
        Resolved is { } resolved ? Task.FromResult(resolved.Derivation) : Node.ReadAsync(cancellation);

    /// <summary>The outputs, as the derivation states them that is built.</summary>
    public IReadOnlyDictionary<string, DerivationOutput> OutputsToBuild => DerivationToBuild.Outputs;

    /// <summary>What it had been resolved to when its outputs were built; null: nothing.</summary>
    public ResolvedDerivation? BuiltFrom { get; set; }

    /// <summary>Where its outputs are that have no path before the build; by name, empty until then.</summary>
    public IReadOnlyDictionary<string, StorePath> Realised { get; set; } = new Dictionary<string, StorePath>();

    /// <summary>Its outputs by name, as far as their paths are known.</summary>
    public IEnumerable<KeyValuePair<string, StorePath>> NamedOutputs =>
        from output in OutputsToBuild
        let path = output.Value.Path ?? Realised.GetValueOrDefault(output.Key)
        where path is not null
        select KeyValuePair.Create(output.Key, path);

    /// <summary>All of its outputs, as far as their paths are known.</summary>
    public IReadOnlyList<StorePath> Outputs => [.. NamedOutputs.Select(output => output.Value)];

    /// <summary>The derivation's name.</summary>
    public string Name => Node.Name;

    /// <summary>The job as the scheduler wants to see it.</summary>
    public Job ToSchedulerJob(IReadOnlyList<int> dependencies)
    {
        var job = Derivation.ToJob(Name) with { Dependencies = dependencies, IsRequested = IsRequested };
        return IsBuild ? job : job with { System = IsSubstitution ? Substitution : Expanding };
    }
}
