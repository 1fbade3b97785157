using System.Security.Cryptography;

namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// A derivation with the paths of its inputs in place of the derivations that make them. Two derivations whose inputs came out the same
/// are one once they are resolved, and so are their outputs. [tryResolve in src/libstore/derivations.cc of NixOS/nix]
/// </summary>
internal sealed class ResolvedDerivation
{
    private readonly string name;
    private readonly Lazy<string> hash;

    private ResolvedDerivation(Derivation derivation, string name)
    {
        (Derivation, this.name) = (derivation, name);
        Path = DerivationFile.PathOf(derivation, name);
        hash = new(() => new Sha256Hash(SHA256.HashData(DerivationWriter.Write(derivation, maskOutputs: true, inputs: []))).ToHex());
    }

    /// <summary>The derivation. The paths of its outputs are known, but for those that follow from the contents.</summary>
    public Derivation Derivation { get; }

    /// <summary>The path of its file; nothing needs to be there.</summary>
    public StorePath Path { get; }

    /// <summary>Resolves a derivation.</summary>
    /// <param name="node">The derivation.</param>
    /// <param name="inputs">Where the outputs of other derivations are that it uses.</param>
    public static ResolvedDerivation Of(DerivationNode node, IReadOnlyCollection<RealisedInput> inputs)
    {
        var derivation = node.Derivation;
        var places = new Placeholders(inputs);
        var environment = new Dictionary<string, string>();
        foreach (var (variable, value) in derivation.Environment) environment[places.Fill(variable)] = places.Fill(value);
        var filled = With(derivation.Outputs);
        var outputs = derivation.Outputs.ToDictionary(output => output.Key, output => output.Value);
        var deferred = derivation.Outputs.Where(output => output.Value.Kind == DerivationOutputKind.Deferred)
            .Select(output => (output.Key, Path: PlainDerivation.OutputPath(filled, output.Key, node.NameOf(output.Key))))
            .ToArray();
        foreach (var (output, path) in deferred)
        {
            outputs[output] = new(path, "", "");
            environment[output] = path.ToString();
        }
        return new(With(outputs), node.Name);

        Derivation With(IReadOnlyDictionary<string, DerivationOutput> some) => new()
        {
            Outputs = some,
            InputDerivations = new Dictionary<StorePath, IReadOnlyList<string>>(),
            InputSources = [.. derivation.InputSources.Concat(inputs.Select(input => input.Path)).Distinct().Order()],
            System = derivation.System,
            Builder = places.Fill(derivation.Builder),
            Arguments = [.. derivation.Arguments.Select(places.Fill)],
            Environment = environment,
        };
    }

    /// <summary>Its file.</summary>
    public DerivationFile ToFile() => new(Derivation, name);

    /// <summary>The name by which stores look up an output of it: <c>sha256:HEX!out</c>.</summary>
    public string RealisationId(string output) => $"sha256:{hash.Value}!{output}";
}

/// <summary>Where an output is that a derivation uses.</summary>
/// <param name="Path">The path.</param>
/// <param name="Placeholder">What stands in the derivation for it; null: the path itself.</param>
internal sealed record RealisedInput(StorePath Path, string? Placeholder = null);
