using NixBuildFarm.Errors;

namespace NixBuildFarm.Running;

/// <summary>
/// Settings of nix.conf that a user may give for one run. All of them hold for the evaluation. Those that say how a build is carried out,
/// and from where outputs are fetched, hold for the daemons of this machine and of the builders as well; a daemon heeds them where it
/// trusts the user. Others stay here: they may be secrets (<c>access-tokens</c>).
/// </summary>
public static class BuildSettings
{
    private static readonly HashSet<string> OfBuilds = new(StringComparer.Ordinal)
    {
        "allowed-impure-host-deps", "always-allow-substitutes", "auto-allocate-uids", "build-dir", "connect-timeout", "download-attempts",
        "enforce-determinism", "fallback", "filetransfer-retry-attempts", "filter-syscalls", "http-connections", "impersonate-linux-26",
        "keep-failed", "max-build-log-size", "max-substitution-jobs", "narinfo-cache-negative-ttl", "narinfo-cache-positive-ttl", "repeat",
        "sandbox", "sandbox-build-dir", "sandbox-dev-shm-size", "sandbox-fallback", "sandbox-paths", "stalled-download-timeout",
        "substitute", "substituters", "trusted-public-keys", "use-cgroups",
    };

    private static readonly Dictionary<string, string> Parameters = new(StringComparer.Ordinal)
    {
        ["builders"] = "-Builder chooses the builders",
        ["max-jobs"] = "Set-NixBuilderPolicy -MaxJobs says how many builds a builder takes",
        ["cores"] = "-Cores says it",
        ["timeout"] = "-Timeout says it",
        ["max-silent-time"] = "-MaxSilentTime says it",
        ["keep-going"] = "-KeepGoing says it",
        ["builders-use-substitutes"] = "the machines list and Nix's configuration say it",
        ["store"] = "outputs come to the store of this machine",
        ["post-build-hook"] = "only the configuration of Nix has it",
    };

    /// <summary>The settings that hold for builds too.</summary>
    /// <exception cref="NixBuildFarmException">One is said in another way.</exception>
    public static IReadOnlyDictionary<string, string> OfBuild(IReadOnlyDictionary<string, string> settings)
    {
        foreach (var name in settings.Keys)
        {
            if (Parameters.TryGetValue(name, out var way))
            {
                throw new NixBuildFarmException(
                    "SettingNotForOption", $"The setting “{name}” is not given with -Option: {way}.", "Leave it out of -Option.");
            }
        }
        return settings.Where(setting => OfBuilds.Contains(Plain(setting.Key)))
            .ToDictionary(setting => setting.Key, setting => setting.Value);
    }

    private static string Plain(string name) => name.StartsWith("extra-", StringComparison.Ordinal) ? name["extra-".Length..] : name;
}
