namespace NixBuildFarm.Builders;

/// <summary>
/// What the source of a builder adds to the configuration of SSH, for this builder alone. The user's own settings come first, as
/// they do before those of <c>/etc/ssh/ssh_config</c>.
/// </summary>
/// <param name="Source">The file that says it.</param>
/// <param name="Config">Text in the form of <c>ssh_config</c>, e.g. what a host name means.</param>
/// <param name="KnownHosts">Lines in the form of <c>known_hosts</c>.</param>
/// <param name="KnownHostsFiles">Further files of that form.</param>
public sealed record BuilderSshSettings(string Source, string Config, IReadOnlyList<string> KnownHosts, IReadOnlyList<string> KnownHostsFiles)
{
    /// <summary>The file that says it.</summary>
    public override string ToString() => Source;
}
