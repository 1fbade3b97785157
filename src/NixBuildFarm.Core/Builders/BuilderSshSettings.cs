using System.IO.Enumeration;

namespace NixBuildFarm.Builders;

/// <summary>
/// Settings that the source of a builder adds to <c>ssh_config</c>, for this builder alone. The user's own settings precede them, as they
/// precede those in <c>/etc/ssh/ssh_config</c>.
/// </summary>
/// <param name="Source">The file that says it.</param>
/// <param name="Config">Text in the form of <c>ssh_config</c>, e.g. an alias for a host name.</param>
/// <param name="KnownHosts">Lines in the form of <c>known_hosts</c>.</param>
/// <param name="KnownHostsFiles">Further files of that form.</param>
public sealed record BuilderSshSettings(
    string Source, string Config, IReadOnlyList<string> KnownHosts, IReadOnlyList<string> KnownHostsFiles)
{
    /// <summary>
    /// Whether any of it is about a builder: a block of the configuration, or a host key that the builder does not bring itself.
    /// </summary>
    public bool Concerns(NixBuilder builder)
    {
        var names = new[] { builder.HostName, $"[{builder.HostName}]:{builder.Port}" };
        return KnownHostsFiles.Count > 0
            || (builder.HostKey is null
                && KnownHosts.Any(line => IsOf(line.Split(' ').FirstOrDefault(word => !word.StartsWith('@'))?.Split(',') ?? [], names)))
            || Config.Split('\n', StringSplitOptions.TrimEntries)
                .Select(line => line.Split([' ', '\t', '='], StringSplitOptions.RemoveEmptyEntries))
                .Aggregate(
                (IsInBlock: true, Found: false),
                (state, words) => words switch
                {
                    [] or [['#', ..], ..] => state,
                    [var keyword, ..] when keyword.Equals("Match", StringComparison.OrdinalIgnoreCase) => (true, state.Found),
                    [var keyword, .. var patterns] when keyword.Equals("Host", StringComparison.OrdinalIgnoreCase) =>
                        (IsOf(patterns, names), state.Found),
                    _ => (state.IsInBlock, state.Found || state.IsInBlock),
                }).Found;
    }

    // As ssh reads patterns: one with “!” before it excludes.
    private static bool IsOf(IReadOnlyList<string> patterns, string[] names) =>
        patterns.Any(pattern => names.Any(name => FileSystemName.MatchesSimpleExpression(pattern, name)))
        && !patterns.Any(
            pattern => pattern.StartsWith('!') && names.Any(name => FileSystemName.MatchesSimpleExpression(pattern.AsSpan(1), name)));

    /// <summary>The file that says it.</summary>
    public override string ToString() => Source;
}
