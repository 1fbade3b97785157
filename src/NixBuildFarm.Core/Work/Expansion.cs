using System.Security.Cryptography;
using System.Text;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Work;

/// <summary>
/// A derivation that another one makes, while it is not known: when it is made, it joins the run with all that it needs. Nobody builds the
/// job that stands for it until then.
/// </summary>
/// <param name="Maker">The derivation that makes it.</param>
/// <param name="Output">The output that is its <c>.drv</c> file.</param>
/// <param name="Use">What is used of it.</param>
internal sealed record Expansion(StorePath Maker, string Output, DynamicInput Use)
{
    /// <summary>Its <c>.drv</c> file, where the local store has it before the run; null: a job of the run makes it.</summary>
    public StorePath? Known { get; init; }

    /// <summary>The path of the job that stands for it; nothing is there.</summary>
    public StorePath Path
    {
        get
        {
            var hash = new Sha256Hash(SHA256.HashData(Encoding.UTF8.GetBytes($"{this}{Describe(Use)}")));
            return StorePath.Of("expansion", hash, Maker.Name);
        }
    }

    /// <summary>The job that stands for it, among derivations.</summary>
    public DerivationNode ToNode() => new(-1, Path, DerivationNode.Nothing, []);

    /// <summary>What it stands for, as Nix writes it.</summary>
    public override string ToString() => new UsedOutput(Maker, Output).ToString();

    private static string Describe(DynamicInput use) =>
        $"^{string.Join(',', use.Outputs)}({string.Join(';', use.Made.Select(made => made.Key + Describe(made.Value)))})";
}
