using NixBuildFarm.Ssh.Configuration;

namespace NixBuildFarm.Ssh.HostKeys;

/// <summary>Reads the known_hosts files that a configuration names.</summary>
internal static class KnownHostsFiles
{
    /// <summary>The user's files, then the machine's. What cannot be read is left out: it can only make more hosts unknown.</summary>
    public static KnownHosts Read(SshConfig config, Action<string> verbose)
    {
        var files = new List<(string, string)>();
        foreach (var file in config.UserKnownHostsFiles.Concat(config.GlobalKnownHostsFiles).Distinct())
        {
            try
            {
                if (File.Exists(file)) files.Add((file, File.ReadAllText(file)));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                verbose($"{file} cannot be read: {e.Message}");
            }
        }
        return KnownHosts.Parse(files);
    }
}
