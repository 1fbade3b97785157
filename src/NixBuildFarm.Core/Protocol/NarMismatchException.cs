using NixBuildFarm.Errors;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol;

/// <summary>A NAR is not the announced one.</summary>
internal sealed class NarMismatchException : NixBuildFarmException
{
    /// <summary>Makes an error.</summary>
    /// <param name="announced">The announced path.</param>
    /// <param name="what">The difference, e.g. <c>is longer</c>.</param>
    public NarMismatchException(PathInfo announced, string what)
        : base(
            "NarMismatch",
            $"The NAR of {announced.Path} {what}, but {announced.NarSize} bytes with the hash {announced.NarHash} are registered for it.",
            "Where it came from is damaged: check it with nix-store --verify-path, or take it from another store.") =>
                Announced = announced;

    /// <summary>The announced path.</summary>
    public PathInfo Announced { get; }
}
