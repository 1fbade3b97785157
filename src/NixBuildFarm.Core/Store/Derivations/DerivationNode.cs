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

    internal DerivationNode(int index, StorePath path, Derivation derivation, IReadOnlyList<DerivationInput> inputs)
    {
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

    /// <summary>The derivation.</summary>
    public Derivation Derivation { get; }

    /// <summary>The derivations it needs, sorted by path. Each has a lower index.</summary>
    public IReadOnlyList<DerivationInput> Inputs { get; }

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
    public IEnumerable<string> Needed => new DynamicInput(Outputs, Made).Needed;
}
