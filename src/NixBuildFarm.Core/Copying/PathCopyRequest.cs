using NixBuildFarm.Builders;
using NixBuildFarm.Store;

namespace NixBuildFarm.Copying;

/// <summary>Which store paths shall be copied, from where, to where.</summary>
public sealed record PathCopyRequest
{
    /// <summary>The paths.</summary>
    public required IReadOnlyList<StorePath> Paths { get; init; }

    /// <summary>Who has them; by default the local store.</summary>
    public NixBuilder From { get; init; } = NixBuilder.LocalStore;

    /// <summary>Who gets them; by default the local store.</summary>
    public IReadOnlyList<NixBuilder> To { get; init; } = [NixBuilder.LocalStore];

    /// <summary>Whether all that they refer to is copied as well. Without it, a store refuses a path whose references it lacks.</summary>
    public bool Closure { get; init; } = true;

    /// <summary>
    /// Whether who gets a path from a builder checks that it is content-addressed, or signed with a key that it trusts. What the local
    /// store has is taken without by whoever trusts the login.
    /// </summary>
    public bool CheckSignatures { get; init; } = true;

    /// <summary>Bytes per second that may leave this machine for all builders together; null: no limit.</summary>
    public long? MaxUpload { get; init; }
}
