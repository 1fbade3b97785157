using NixBuildFarm.Ssh.Configuration;

namespace NixBuildFarm.Ssh.HostKeys;

/// <summary>Reads the known_hosts files that a configuration names.</summary>
internal static class KnownHostsFiles
{
    /// <summary>The user's files, then the machine's. Unreadable ones are left out, which can only make more hosts unknown.</summary>
    /// <param name="config">Names the files.</param>
    /// <param name="sourceFiles">One of these files stands for the builder's source, and is called by its name; null: there is
    /// none.</param>
    /// <param name="verbose">Receives the names of unreadable files.</param>
    public static KnownHosts Read(SshConfig config, SourceSshFiles? sourceFiles, Action<string> verbose)
    {
        var files = new List<(string, string)>();
        foreach (var file in config.UserKnownHostsFiles.Concat(config.GlobalKnownHostsFiles).Distinct())
        {
            try
            {
                if (File.Exists(file))
                {
                    files.Add((file == sourceFiles?.KnownHosts ? sourceFiles.Settings.Source : file, File.ReadAllText(file)));
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                verbose($"{file} cannot be read: {e.Message}");
            }
        }
        return KnownHosts.Parse(files);
    }
}
