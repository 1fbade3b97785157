using NixBuildFarm.Errors;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>
/// A builder that does not trust us refuses an unsigned path. A builder that has the path already can still build with it.
/// </summary>
internal sealed class UnsignedPathException(string to, StorePath path)
    : NixBuildFarmException(
        "UnsignedPath",
        $"{to} does not trust the login, and so refuses {path}, which is neither content-addressed nor signed.",
        $"Add that user to trusted-users in /etc/nix/nix.conf of {to}; or have paths signed (secret-key-files) by a key of its "
            + "trusted-public-keys.")
{
    /// <summary>The builder that does not take it.</summary>
    public string To { get; } = to;

    /// <summary>The path.</summary>
    public StorePath Path { get; } = path;
}
