namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// A build: the program, its system, its inputs and outputs. The content of a <c>.drv</c> file. Its strings are Nix's: see
/// <see cref="NixText"/>. Its name is that of its path.
/// </summary>
internal sealed class Derivation
{
    /// <summary>The largest <c>.drv</c> file that is read, in bytes. Those of nixpkgs have a few thousand.</summary>
    public const int MaxSize = 64 * 1024 * 1024;

    private static readonly Dictionary<StorePath, IReadOnlyDictionary<string, DynamicInput>> NoDynamicInputs = [];
    private static readonly Dictionary<string, string> NoEnvironment = [];

    private DerivationAttributes? attributes;
    private IReadOnlyList<string> arguments = [];
    private IReadOnlyDictionary<string, string> environment = NoEnvironment;

    /// <summary>The outputs by name, sorted as Nix sorts them.</summary>
    public required IReadOnlyDictionary<string, DerivationOutput> Outputs { get; init; }

    /// <summary>
    /// The derivations it needs, each with the names of the outputs that it uses: none where it uses only what these make.
    /// </summary>
    public required IReadOnlyDictionary<StorePath, IReadOnlyList<string>> InputDerivations { get; init; }

    /// <summary>What it uses of derivations that its input derivations make, by the input and by the output that is one.</summary>
    public IReadOnlyDictionary<StorePath, IReadOnlyDictionary<string, DynamicInput>> DynamicInputs { get; init; } = NoDynamicInputs;

    /// <summary>Store paths it needs that no derivation makes.</summary>
    public required IReadOnlyList<StorePath> InputSources { get; init; }

    /// <summary>The platform it builds on, e.g. <c>riscv64-linux</c>, or <c>builtin</c>.</summary>
    public required string System { get; init; }

    /// <summary>The program that builds; <c>builtin:NAME</c> for Nix's own.</summary>
    public required string Builder { get; init; }

    /// <summary>The program's arguments.</summary>
    /// <exception cref="InvalidOperationException">This is an outline.</exception>
    public required IReadOnlyList<string> Arguments { get => InFull(arguments); init => arguments = value; }

    /// <summary>The program's environment.</summary>
    /// <exception cref="InvalidOperationException">This is an outline.</exception>
    public required IReadOnlyDictionary<string, string> Environment { get => InFull(environment); init => environment = value; }

    /// <summary>
    /// Whether it is resolved before it is built: paths of its outputs are known only then, or what it needs is. All of it counts for that.
    /// </summary>
    public bool IsResolvedLater => !AreOutputPathsKnown || DynamicInputs.Count > 0;

    /// <summary>Whether it lacks what its program is given: enough to plan a build, and not to do it.</summary>
    public bool IsOutline { get; private init; }

    /// <summary>Whether Nix builds it itself, without a program: on any machine.</summary>
    public bool IsBuiltin => Builder.StartsWith("builtin:", StringComparison.Ordinal);

    /// <summary>Whether the content is known before the build: a download, mostly.</summary>
    public bool IsFixedOutput => Outputs.Values.All(output => output.Kind == DerivationOutputKind.Fixed);

    /// <summary>Whether the paths of all outputs are known before the build.</summary>
    public bool AreOutputPathsKnown => Outputs.Values.All(output => output.Path is not null);

    /// <summary>Whether it is built anew each time.</summary>
    public bool IsImpure => Outputs.Values.Any(output => output.Kind == DerivationOutputKind.Impure);

    /// <summary>The package's name without version, as nixpkgs states it; null where it does not.</summary>
    public string? PName => Attributes.PName;

    /// <summary>The package's version; null where it states none.</summary>
    public string? Version => Attributes.Version;

    /// <summary>Features that a builder must have, e.g. <c>kvm</c>, <c>big-parallel</c>.</summary>
    public IReadOnlyList<string> RequiredSystemFeatures => Attributes.RequiredSystemFeatures;

    /// <summary>Whether sending it elsewhere costs more than building it.</summary>
    public bool PreferLocalBuild => Attributes.PreferLocalBuild;

    /// <summary>Whether its outputs may be downloaded rather than built.</summary>
    public bool AllowSubstitutes => Attributes.AllowSubstitutes;

    /// <summary>Whether it says that it makes use of several cores.</summary>
    public bool EnableParallelBuilding => Attributes.EnableParallelBuilding;

    /// <summary>Bytes of memory that it says it needs (<c>NIXBUILDNET_MIN_MEM</c>); 0: it does not say.</summary>
    public long LeastMemory => Attributes.LeastMemory;

    /// <summary>Cores that it says it needs (<c>NIXBUILDNET_MIN_CPU</c>); 0: it does not say.</summary>
    public int LeastCores => Attributes.LeastCores;

    private DerivationAttributes Attributes => attributes ??= DerivationAttributes.Read(Environment);

    /// <summary>The same without arguments and environment, which are most of it; itself where it is resolved later.</summary>
    public Derivation ToOutline() => IsOutline || IsResolvedLater ? this : new()
    {
        Outputs = Outputs,
        InputDerivations = InputDerivations,
        DynamicInputs = DynamicInputs,
        InputSources = InputSources,
        System = System,
        Builder = Builder,
        Arguments = [],
        Environment = NoEnvironment,
        IsOutline = true,
        attributes = Attributes,
    };

    private T InFull<T>(T content) => !IsOutline ? content : throw new InvalidOperationException("The derivation has to be read again.");

    /// <summary>
    /// Parses the content of a <c>.drv</c> file. Accepts only what Nix writes, so that <see cref="DerivationWriter"/> gives the same bytes.
    /// </summary>
    /// <param name="aterm">The content.</param>
    /// <param name="isOutline">Whether the outline is wanted: see <see cref="ToOutline"/>.</param>
    /// <exception cref="FormatException">The content is malformed; the message has the offset and the expectation.</exception>
    public static Derivation Parse(ReadOnlySpan<byte> aterm, bool isOutline = false)
    {
        var reader = new DerivationReader(aterm, isOutline);
        var derivation = reader.Read();
        if (DerivationAttributes.IsStructured(derivation.Environment)) _ = derivation.Attributes; // may be malformed
        return isOutline ? derivation.ToOutline() : derivation;
    }
}
