using NixBuildFarm.History;

namespace NixBuildFarm.Compiling;

/// <summary>Knows from run to run what compiles have left in the stores of builders.</summary>
internal interface IKeptCompiles
{
    /// <summary>What they have left in the store of a builder.</summary>
    IReadOnlyList<KeptCompile> KeptCompiles(string builder);

    /// <summary>Keeps in mind what is in the store of a builder, beside what is known of it.</summary>
    void Keep(string builder, IReadOnlyCollection<KeptCompile> compiles);

    /// <summary>Forgets what is in the store of a builder no more.</summary>
    void Forget(string builder, IReadOnlyCollection<string> paths);
}
