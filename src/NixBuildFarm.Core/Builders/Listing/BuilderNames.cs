using NixBuildFarm.Text;

namespace NixBuildFarm.Builders.Listing;

/// <summary>
/// Gives each builder of a list a unique name: the first of these that no earlier builder has: the name in its source, the host,
/// <c>host:port</c>, <c>user@host</c>, <c>user@host:port</c>, <c>host#2</c>, <c>host#3</c> … Letter case makes no difference, as elsewhere
/// in PowerShell.
/// </summary>
internal sealed class BuilderNames
{
    private readonly HashSet<string> taken = new(StringComparer.OrdinalIgnoreCase) { NixBuilder.LocalName };
    private bool hasLocal;

    /// <summary>The name of this machine; null when it has been given away already.</summary>
    public string? TakeLocal()
    {
        if (hasLocal) return null;
        hasLocal = true;
        return NixBuilder.LocalName;
    }

    /// <summary>A name for a builder on that host.</summary>
    public string Choose(string? called, string host, string? user, int? port)
    {
        List<string> descriptions =
        [
            .. string.IsNullOrWhiteSpace(called) || called.Any(IsAwkward) ? [] : new[] { called }, .. Descriptions(host, user, port),
        ];
        var name = descriptions.Find(d => !taken.Contains(d)) ?? Numbered(host);
        taken.UnionWith(descriptions);
        taken.Add(name);
        return name;
    }

    private static IEnumerable<string> Descriptions(string host, string? user, int? port)
    {
        // The brackets that a port after an IPv6 address needs are wildcards in PowerShell: no name has them.
        if (host.Contains(':')) port = null;
        yield return host;
        if (port is not null) yield return $"{host}:{port}";
        if (user is not null) yield return $"{user}@{host}";
        if (user is not null && port is not null) yield return $"{user}@{host}:{port}";
    }

    /// <summary>A wildcard of PowerShell, or nothing that a person could type.</summary>
    private static bool IsAwkward(char c) => c is '*' or '?' or '[' or ']' or '`' || Printable.IsUnprintable(c);

    private string Numbered(string host)
    {
        for (var number = 2; ; number++)
        {
            if (!taken.Contains($"{host}#{number}")) return $"{host}#{number}";
        }
    }
}
