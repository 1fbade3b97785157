using System.Security.Cryptography;
using System.Text;

namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// The hashes of derivations by which stores look up outputs whose paths are known only after the build. They do not depend on how a
/// download among the inputs is fetched: “hash modulo” in Nix. [hashDerivationModulo in src/libstore/derivations.cc of NixOS/nix] Safe for
/// concurrent use.
/// </summary>
internal sealed class DerivationHashes(DerivationGraph graph)
{
    private readonly object gate = new();
    private readonly Dictionary<int, string> known = [];

    /// <summary>The name by which stores look up an output of a derivation: <c>sha256:HEX!out</c>.</summary>
    public string RealisationId(DerivationNode node, string output)
    {
        lock (gate)
        {
            // Inputs have lower indexes: in this order each finds those of its inputs, however deep the graph is.
            foreach (var input in InputsOf(node).Order().Where(input => !known.ContainsKey(input)))
            {
                known.Add(input, HashOf(graph.Nodes[input], maskOutputs: false));
            }
            return $"sha256:{HashOf(node, maskOutputs: true)}!{output}";
        }
    }

    private HashSet<int> InputsOf(DerivationNode node)
    {
        var seen = new HashSet<int>();
        var open = new Stack<DerivationNode>([node]);
        while (open.TryPop(out var next))
        {
            // The inputs of a download are not part of its hash.
            if (next.Derivation.IsFixedOutput && next != node) continue;
            foreach (var input in next.Inputs.Where(input => !known.ContainsKey(input.Index) && seen.Add(input.Index)))
            {
                open.Push(graph.Nodes[input.Index]);
            }
        }
        return seen;
    }

    private string HashOf(DerivationNode node, bool maskOutputs)
    {
        var derivation = node.Derivation;
        if (derivation.IsFixedOutput)
        {
            // Nix knows such derivations with one output only.
            var output = derivation.Outputs.Values.First();
            return HashOf(Encoding.UTF8.GetBytes($"fixed:out:{output.HashAlgorithm}:{output.Hash}:{output.Path}"));
        }
        if (derivation.IsImpure) return HashOf("impure"u8);
        // What inputs make counts only in that they make it.
        var inputs = node.Inputs.Where(input => input.Outputs.Count > 0)
            .GroupBy(input => known[input.Index], input => input.Outputs)
            .Select(group => KeyValuePair.Create(group.Key, group.SelectMany(names => names).Distinct()));
        return HashOf(DerivationWriter.Write(derivation, maskOutputs, inputs));
    }

    private static string HashOf(ReadOnlySpan<byte> data) => new Sha256Hash(SHA256.HashData(data)).ToHex();
}
