using NixBuildFarm.History;

namespace NixBuildFarm.Compiling;

/// <summary>Knows from run to run what compiles have left in the stores of builders.</summary>
internal interface IKeptCompiles
{
    /// <summary>What they have left in the store of a builder.</summary>
    IReadOnlyList<KeptCompile> KeptCompiles(string builder);

    /// <summary>Puts what is known of a builder in place of what was.</summary>
    void Keep(string builder, IReadOnlyCollection<KeptCompile> compiles);
}
