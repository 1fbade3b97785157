namespace NixBuildFarm.Store.Derivations;

/// <summary>A derivation in a <see cref="DerivationGraph"/>.</summary>
internal sealed class DerivationNode
{
    /// <summary>A derivation that builds nothing.</summary>
    internal static readonly Derivation Nothing = new()
    {
        Outputs = new Dictionary<string, DerivationOutput>(),
        InputDerivations = new Dictionary<StorePath, IReadOnlyList<string>>(),
        InputSources = [],
        System = "",
        Builder = "",
        Arguments = [],
        Environment = new Dictionary<string, string>(),
    };

    private readonly IDerivationSource? source;

    /// <param name="index">Its place in the graph's order.</param>
    /// <param name="path">The path of its file.</param>
    /// <param name="derivation">The derivation, or the outline of it.</param>
    /// <param name="inputs">The derivations it needs, sorted by path.</param>
    /// <param name="source">Where it can be read again; null: nowhere.</param>
    internal DerivationNode(
        int index, StorePath path, Derivation derivation, IReadOnlyList<DerivationInput> inputs, IDerivationSource? source = null)
    {
        this.source = source;
        Index = index;
        Path = path;
        Derivation = derivation;
        Inputs = inputs;
    }

    /// <summary>Its place in the graph's order.</summary>
    public int Index { get; }

    /// <summary>The path of its <c>.drv</c> file.</summary>
    public StorePath Path { get; }

    /// <summary>Its name: that of the file without <c>.drv</c>.</summary>
    public string Name => NameOf(Path);

    /// <summary>The derivation: its outline, unless it has to be resolved, or others that need it have.</summary>
    public Derivation Derivation { get; }

    /// <summary>The derivations it needs, sorted by path. Each has a lower index.</summary>
    public IReadOnlyList<DerivationInput> Inputs { get; }

    /// <summary>The derivation in full, as it is built.</summary>
    /// <exception cref="Errors.NixBuildFarmException">It cannot be read any more.</exception>
    public Task<Derivation> ReadAsync(CancellationToken cancellation) =>
        Derivation.IsOutline && source is not null ? source.ReadAsync(Path, cancellation) : Task.FromResult(Derivation);

    /// <inheritdoc/>
    public override string ToString() => $"{Index}: {Name}";

    /// <summary>The name of the path of one of its outputs.</summary>
    internal string NameOf(string output) => NameOf(Path, output);

    /// <summary>The name of the path of an output of a derivation.</summary>
    internal static string NameOf(StorePath derivation, string output) =>
        output == "out" ? NameOf(derivation) : $"{NameOf(derivation)}-{output}";

    private static string NameOf(StorePath derivation) => derivation.Name[..^".drv".Length];
}

/// <summary>A derivation's need of another one.</summary>
/// <param name="Index">The index of the other.</param>
/// <param name="Outputs">The names of its outputs that are used.</param>
/// <param name="Made">What is used of the derivations that it makes, by the output that is the <c>.drv</c> file.</param>
internal readonly record struct DerivationInput(
    int Index, IReadOnlyList<string> Outputs, IReadOnlyDictionary<string, DynamicInput> Made)
{
    /// <summary>The names of all outputs of it that must be there.</summary>
    public IEnumerable<string> Needed => DynamicInput.NeededOf(Outputs, Made);
}
