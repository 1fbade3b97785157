using System.Globalization;
using System.Text;
using NixBuildFarm.Builders.Listing;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>Writes builders as a NixOS module, with the options of <c>nix.buildMachines</c>.</summary>
public static class NixosModuleWriter
{
    /// <summary>The module, with the settings for SSH of the builders' own source.</summary>
    public static string Write(IEnumerable<NixBuilder> builders)
    {
        IReadOnlyList<NixBuilder> all = [.. builders];
        var text = new StringBuilder("{ ... }: {\n  nix.distributedBuilds = true;\n");
        if (all.Any(builder => builder.UsesSubstitutes == true)) text.Append("  nix.settings.builders-use-substitutes = true;\n");
        text.Append("  nix.buildMachines = [\n");
        foreach (var builder in all)
        {
            text.Append("    {\n");
            foreach (var (name, value) in Options(builder)) text.Append(CultureInfo.InvariantCulture, $"      {name} = {value};\n");
            text.Append("    }\n");
        }
        text.Append("  ];\n");
        foreach (var ssh in all.Select(builder => builder.Ssh).OfType<BuilderSshSettings>().DistinctBy(ssh => ssh.Source))
        {
            WriteSsh(text, ssh);
        }
        return text.Append("}\n").ToString();
    }

    private static IEnumerable<(string Name, string Value)> Options(NixBuilder builder)
    {
        // NixOS puts protocol://sshUser@hostName together again.
        var scheme = builder.Uri.IndexOf("://", StringComparison.Ordinal);
        var (protocol, address) = scheme < 0 ? ("null", builder.Uri) : (Quote(builder.Uri[..scheme]), builder.Uri[(scheme + 3)..]);
        var query = address.IndexOf('?');
        var at = address.LastIndexOf('@', query < 0 ? address.Length - 1 : query);
        yield return ("hostName", Quote(address[(at + 1)..]));
        yield return ("protocol", protocol);
        if (at >= 0) yield return ("sshUser", Quote(address[..at]));
        if (builder.IdentityFile is { } key) yield return ("sshKey", Quote(key));
        yield return ("systems", List(builder.Systems));
        yield return ("maxJobs", builder.MaxJobs.ToString(CultureInfo.InvariantCulture));
        if (builder.SpeedFactor != 1) yield return ("speedFactor", Number(builder.SpeedFactor));
        if (builder.SupportedFeatures.Count > 0) yield return ("supportedFeatures", List(builder.SupportedFeatures));
        if (builder.MandatoryFeatures.Count > 0) yield return ("mandatoryFeatures", List(builder.MandatoryFeatures));
        if (builder.HostKey is { } hostKey) yield return ("publicHostKey", Quote(HostKeyLine.Encode(hostKey)));
    }

    private static void WriteSsh(StringBuilder text, BuilderSshSettings ssh)
    {
        if (ssh.Config.Length > 0) text.Append(CultureInfo.InvariantCulture, $"  programs.ssh.extraConfig = {Quote(ssh.Config)};\n");
        for (var i = 0; i < ssh.KnownHosts.Count; i++)
        {
            var words = ssh.KnownHosts[i].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var isAuthority = words is ["@cert-authority", ..];
            if (isAuthority) words = words[1..];
            if (words.Length < 3) continue; // a comment, or an empty line
            var name = $"  programs.ssh.knownHosts.{Quote($"{i:00}-{words[0].Split(',')[0]}")}";
            text.Append(
                CultureInfo.InvariantCulture,
                $"{name} = {{ hostNames = {List(words[0].Split(','))}; publicKey = {Quote(string.Join(' ', words[1..]))};");
            text.Append(isAuthority ? " certAuthority = true; };\n" : " };\n");
        }
        if (ssh.KnownHostsFiles.Count > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"  programs.ssh.knownHostsFiles = {List(ssh.KnownHostsFiles)};\n");
        }
    }

    // Nix has no exponents without a point, and 3 is no float.
    private static string Number(double value) =>
        value == Math.Truncate(value) && value < long.MaxValue
            ? ((long)value).ToString(CultureInfo.InvariantCulture)
            : value.ToString("0.0###############", CultureInfo.InvariantCulture);

    private static string List(IEnumerable<string> items) => $"[ {string.Concat(items.Select(item => Quote(item) + " "))}]";

    /// <summary>A string of the Nix language. <c>${</c> would be evaluated.</summary>
    internal static string Quote(string text) => '"'
        + text.Replace("\\", "\\\\", StringComparison.Ordinal)
            .Replace("\"", "\\\"", StringComparison.Ordinal)
            .Replace("${", "\\${", StringComparison.Ordinal)
            .Replace("\n", "\\n", StringComparison.Ordinal)
            .Replace("\r", "\\r", StringComparison.Ordinal)
            .Replace("\t", "\\t", StringComparison.Ordinal)
        + '"';
}
