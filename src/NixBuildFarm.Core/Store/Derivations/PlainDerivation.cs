using System.Security.Cryptography;

namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// A derivation of our own with one output, whose inputs are store paths: its path and that of its output follow from the rest, as they do
/// for every derivation that Nix instantiates.
/// </summary>
internal sealed class PlainDerivation
{
    private const string Out = "out";

    private PlainDerivation(StorePath path, StorePath output, Derivation derivation)
    {
        (Path, Output) = (path, output);
        Basic = BasicDerivation.From(derivation, []);
    }

    /// <summary>Its path; nothing needs to be there.</summary>
    public StorePath Path { get; }

    /// <summary>The path of its output.</summary>
    public StorePath Output { get; }

    /// <summary>The derivation as a builder gets it.</summary>
    public BasicDerivation Basic { get; }

    /// <summary>Makes one.</summary>
    /// <param name="name">Its name, and that of its output.</param>
    /// <param name="system">The system that it builds on.</param>
    /// <param name="builder">The program that builds.</param>
    /// <param name="arguments">Its arguments, which are given the path of the output.</param>
    /// <param name="environment">Its environment, besides <c>name</c>, <c>system</c>, <c>builder</c> and <c>out</c>.</param>
    /// <param name="inputs">What it may read.</param>
    public static PlainDerivation Of(
        string name,
        string system,
        string builder,
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        IEnumerable<StorePath> inputs)
    {
        StorePath[] sources = [.. inputs.Distinct().Order()];
        var open = Make("", null);
        var output = OutputPath(open, Out, name);
        var derivation = Make(output.ToString(), output);
        return new(DerivationFile.PathOf(derivation, name), output, derivation);

        Derivation Make(string at, StorePath? known) => new()
        {
            Outputs = new Dictionary<string, DerivationOutput> { [Out] = new(known, "", "") },
            InputDerivations = new Dictionary<StorePath, IReadOnlyList<string>>(),
            InputSources = sources,
            System = system,
            Builder = builder,
            Arguments = arguments,
            Environment = new Dictionary<string, string>(environment)
            {
                ["name"] = name, ["system"] = system, ["builder"] = builder, [Out] = at,
            },
        };
    }

    /// <summary>
    /// The path of an output of a derivation whose inputs are store paths, which follows from all of it but the paths of its outputs.
    /// </summary>
    /// <param name="resolved">The derivation.</param>
    /// <param name="output">The output.</param>
    /// <param name="name">The name of the path.</param>
    internal static StorePath OutputPath(Derivation resolved, string output, string name) =>
        StorePath.Of($"output:{output}", new(SHA256.HashData(DerivationWriter.Write(resolved, maskOutputs: true, inputs: []))), name);
}
