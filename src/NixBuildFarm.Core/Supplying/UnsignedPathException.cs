using NixBuildFarm.Errors;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>
/// A builder that does not trust us refuses a path for want of a signature. A builder that has the path already can still build what needs it.
/// </summary>
internal sealed class UnsignedPathException(string to, StorePath path)
    : NixBuildFarmException(
        "UnsignedPath",
        $"{to} does not trust the user that logs in, and so does not take {path}, which is neither content-addressed nor signed.",
        $"Add that user to trusted-users in /etc/nix/nix.conf of {to}; or have paths signed (secret-key-files) by a key of its trusted-public-keys.");
