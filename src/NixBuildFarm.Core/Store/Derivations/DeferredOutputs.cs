using System.Security.Cryptography;
using System.Text;

namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// The output paths of a derivation that follow once the paths of its inputs are known: those inputs are put in their places, and the
/// paths follow as for any other derivation. [tryResolve in src/libstore/derivations.cc of NixOS/nix]
/// </summary>
internal static class DeferredOutputs
{
    /// <summary>The paths of all outputs, by name.</summary>
    /// <param name="node">The derivation.</param>
    /// <param name="inputs">Where what it uses of other derivations is: the derivation, the output's name, the path.</param>
    public static IReadOnlyDictionary<string, StorePath> PathsOf(DerivationNode node, IReadOnlyCollection<(StorePath Derivation, string Output, StorePath Path)> inputs)
    {
        var derivation = node.Derivation;
        var places = inputs.Select(input => (Place: PlaceholderOf(input.Derivation, input.Output), Path: input.Path.ToString())).ToArray();
        var environment = new Dictionary<string, string>();
        foreach (var (name, value) in derivation.Environment) environment[Fill(name)] = Fill(value);
        var resolved = new Derivation
        {
            Outputs = derivation.Outputs,
            InputDerivations = new Dictionary<StorePath, IReadOnlyList<string>>(),
            InputSources = [.. derivation.InputSources.Concat(inputs.Select(input => input.Path)).Distinct()],
            System = derivation.System,
            Builder = Fill(derivation.Builder),
            Arguments = [.. derivation.Arguments.Select(Fill)],
            Environment = environment,
        };
        return derivation.Outputs.Keys.ToDictionary(output => output, output => PlainDerivation.OutputPath(resolved, output, node.NameOf(output)));

        string Fill(string text)
        {
            foreach (var (place, path) in places) text = text.Replace(place, path, StringComparison.Ordinal);
            return text;
        }
    }

    /// <summary>What stands in a derivation for the path of an input that is not known yet.</summary>
    internal static string PlaceholderOf(StorePath derivation, string output)
    {
        var text = $"nix-upstream-output:{derivation.HashPart}:{DerivationNode.NameOf(derivation, output)}";
        return "/" + new Sha256Hash(SHA256.HashData(Encoding.UTF8.GetBytes(text))).ToBase32();
    }
}
