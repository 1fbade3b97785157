using NixBuildFarm.Builders;

namespace NixBuildFarm.Ssh.Configuration;

/// <summary>
/// What a builder's source adds to the configuration of SSH, as files that ssh reads. It takes the place that it would have in
/// <c>/etc/ssh</c>: behind the user's own settings, before the machine's. Disposing of it deletes the files.
/// </summary>
internal sealed class SourceSshFiles : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("nixbuildfarm-ssh-");

    /// <summary>Writes the files.</summary>
    public SourceSshFiles(BuilderSshSettings settings, SshEnvironment environment)
    {
        Settings = settings;
        KnownHosts = Path.Combine(folder.FullName, "known_hosts");
        Config = Path.Combine(folder.FullName, "config");
        File.WriteAllLines(KnownHosts, settings.KnownHosts);
        // A setting that is given twice has its first value. “Match all” ends a Host of what stands before it.
        File.WriteAllText(Config, $"""
            Include "{environment.Home}/.ssh/config"
            {settings.Config}
            Match all
            Include /etc/ssh/ssh_config
            Match all
            GlobalKnownHostsFile {string.Join(' ', [KnownHosts, .. settings.KnownHostsFiles, "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"])}

            """);
    }

    /// <summary>What the source says.</summary>
    public BuilderSshSettings Settings { get; }

    /// <summary>The file of the form of <c>ssh_config</c>.</summary>
    public string Config { get; }

    /// <summary>The file of the form of <c>known_hosts</c>.</summary>
    public string KnownHosts { get; }

    /// <summary>The environment of an ssh that reads these files. The user's own <c>NIX_SSHOPTS</c> can still name another file.</summary>
    public SshEnvironment In(SshEnvironment environment) => environment with { SshOptions = ["-F", Config, .. environment.SshOptions] };

    /// <inheritdoc/>
    public void Dispose() => folder.Delete(recursive: true);
}
