namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// A derivation as a builder gets it: its inputs are store paths that are there, rather than derivations that would have to be built.
/// </summary>
internal sealed record BasicDerivation
{
    /// <summary>The outputs by name, sorted as Nix sorts them.</summary>
    public required IReadOnlyDictionary<string, DerivationOutput> Outputs { get; init; }

    /// <summary>The paths that the build may read, sorted, without duplicates.</summary>
    public required IReadOnlyList<StorePath> InputPaths { get; init; }

    /// <summary>The platform it builds on.</summary>
    public required string System { get; init; }

    /// <summary>The program that builds.</summary>
    public required string Builder { get; init; }

    /// <summary>The program's arguments.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The program's environment.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Puts a derivation's inputs as they are in a store in place of the derivations that make them.</summary>
    /// <param name="derivation">The paths of its outputs are known, or follow from the contents.</param>
    /// <param name="inputPaths">The closure of the outputs of its input derivations that it uses; its sources are added.</param>
    /// <exception cref="ArgumentException">The path of an output follows from those of inputs that are not known.</exception>
    public static BasicDerivation From(Derivation derivation, IEnumerable<StorePath> inputPaths) =>
        derivation.Outputs.Values.Any(output => output.Kind == DerivationOutputKind.Deferred)
            ? throw new ArgumentException("The derivation has to be resolved first.", nameof(derivation))
            : new()
            {
                Outputs = derivation.Outputs,
                InputPaths = [.. derivation.InputSources.Concat(inputPaths).Distinct().Order()],
                System = derivation.System,
                Builder = derivation.Builder,
                Arguments = derivation.Arguments,
                Environment = derivation.Environment,
            };
}
