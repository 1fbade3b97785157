using NixBuildFarm.Builders;

namespace NixBuildFarm.Ssh.Configuration;

/// <summary>
/// A builder's own settings for SSH, as files that ssh reads. They are read where <c>/etc/ssh</c> would have them: after the user's
/// settings, before the machine's. Disposing of it deletes the files.
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
        // The first value of a setting wins. “Match all” ends the Host block before it.
        File.WriteAllText(Config, $"""
            Include "{environment.Home}/.ssh/config"
            {settings.Config}
            Match all
            Include /etc/ssh/ssh_config
            Match all
            GlobalKnownHostsFile {string.Join(' ', [KnownHosts, .. settings.KnownHostsFiles, "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"])}

            """);
    }

    /// <summary>The settings of the source.</summary>
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
