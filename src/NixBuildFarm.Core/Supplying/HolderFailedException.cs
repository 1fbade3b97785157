using NixBuildFarm.Errors;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>The holder of a path could not give it; another holder may.</summary>
internal sealed class HolderFailedException(StorePath path, BuilderSession holder, NixBuildFarmException problem)
    : NixBuildFarmException(problem.Id, problem.Message, problem.Recommendation, problem)
{
    /// <summary>The path.</summary>
    public StorePath Path { get; } = path;

    /// <summary>The builder that could not give it.</summary>
    public BuilderSession Holder { get; } = holder;

    /// <summary>Why.</summary>
    public NixBuildFarmException Problem { get; } = problem;
}
