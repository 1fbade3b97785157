using System.Text.Json.Serialization;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;

namespace NixBuildFarm.Deciding;

/// <summary>A store that gets what is built. Two with the same name are one.</summary>
/// <param name="Name">Its URI without a password, or the name of a machine.</param>
/// <param name="IsMachine">Whether it is the store of a machine, and not one that Nix knows by its URI.</param>
internal sealed record PushTarget(string Name, bool IsMachine)
{
    /// <summary>The URI; of no use where it is a machine, or comes from a journal.</summary>
    [JsonIgnore]
    public string Uri { get; private init; } = Name;

    /// <summary>The machine; null: it is none, or comes from a journal.</summary>
    [JsonIgnore]
    public NixBuilder? Machine { get; private init; }

    /// <summary>A store that Nix knows.</summary>
    public static PushTarget Of(string uri) => new(StoreUri.WithoutSecrets(uri), IsMachine: false) { Uri = uri };

    /// <summary>The store of a machine.</summary>
    public static PushTarget Of(NixBuilder machine) => new(machine.Name, IsMachine: true) { Machine = machine };

    /// <inheritdoc/>
    public bool Equals(PushTarget? other) => other is not null && (Name, IsMachine) == (other.Name, other.IsMachine);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, IsMachine);

    /// <summary>Its name.</summary>
    public override string ToString() => Name;
}
