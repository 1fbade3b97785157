using NixBuildFarm.Builders;
using NixBuildFarm.Store;

namespace NixBuildFarm.Copying;

/// <summary>Which store paths shall be copied, from where, to where.</summary>
public sealed record PathCopyRequest
{
    /// <summary>The paths.</summary>
    public required IReadOnlyList<StorePath> Paths { get; init; }

    /// <summary>The source; by default the local store.</summary>
    public NixBuilder From { get; init; } = NixBuilder.LocalStore;

    /// <summary>The destinations; by default the local store.</summary>
    public IReadOnlyList<NixBuilder> To { get; init; } = [NixBuilder.LocalStore];

    /// <summary>Whether all that they refer to is copied as well. Without it, a store refuses a path whose references it lacks.</summary>
    public bool Closure { get; init; } = true;

    /// <summary>
    /// Whether the destination checks that a builder's path is content-addressed, or signed with a key that the destination trusts. Paths
    /// of the local store are accepted without this check where the login is trusted.
    /// </summary>
    public bool CheckSignatures { get; init; } = true;

    /// <summary>Bytes per second that may leave this machine for all builders together; null: no limit.</summary>
    public long? MaxUpload { get; init; }
}
