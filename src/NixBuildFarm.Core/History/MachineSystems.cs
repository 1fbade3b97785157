using NixBuildFarm.Builders;

namespace NixBuildFarm.History;

/// <summary>What the machines that others tell of are called here, and what they build for.</summary>
/// <param name="builders">The builders that are known, this machine among them.</param>
internal sealed class MachineSystems(IReadOnlyList<NixBuilder> builders)
{
    private readonly NixBuilder? local =
        builders.FirstOrDefault(builder => builder.IsLocal) ?? (builders is [var first, ..] ? first : null);

    /// <summary>
    /// The name of the builder on a host, the system that it builds for first, and how fast it is configured to be. An unknown machine
    /// builds for the same as this one: what was built for another is of no use here. Null where nothing is known of any machine.
    /// </summary>
    /// <param name="host">As somebody else names it, perhaps with its protocol, user and port; empty: this machine.</param>
    public (string Builder, string System, double SpeedFactor)? Of(string host)
    {
        var isLocal = host is "" or "localhost";
        var name = host[(host.LastIndexOf("://", StringComparison.Ordinal) is var scheme and >= 0 ? scheme + "://".Length : 0)..];
        name = name[(name.LastIndexOf('@') + 1)..].Split('?', ':', '/')[0];
        var builder = isLocal ? local : builders.FirstOrDefault(one => one.Name == name || one.HostName == name);
        return (builder ?? local)?.Systems is [var system, ..] ? (builder?.Name ?? name, system, builder?.SpeedFactor ?? 1) : null;
    }
}
