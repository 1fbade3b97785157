using System.Text.RegularExpressions;
using NixBuildFarm.Builders;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Sessions;

/// <summary>
/// Asks a daemon for its system and features, and whether it trusts us, by a build that cannot take place: neither its system nor the
/// feature that it requires exists. A daemon that trusts us answers that it has others, and which; one that does not trust us refuses the
/// request.
/// </summary>
internal static partial class BuilderProbe
{
    private const string ProbeSystem = "nixbuildfarm-probe";
    private const string ProbeHash = "00000000000000000000000000000000";
    private static readonly StorePath ProbeDerivation = StorePath.Parse($"{StorePath.StoreFolder}/{ProbeHash}-{ProbeSystem}.drv");

    /// <summary>Asks. Nothing is built, and nothing is left in the store.</summary>
    public static async Task<BuilderFacts> AskAsync(DaemonConnection daemon, CancellationToken cancellation)
    {
        var facts = new BuilderFacts
        {
            NixVersion = daemon.NixVersion,
            Protocol = daemon.Version.ToString(),
            Trusted = daemon.Trust == DaemonTrust.Trusted,
        };
        try
        {
            var answer = await daemon.BuildDerivationAsync(ProbeDerivation, Impossible(), BuildMode.Normal, sink: null, cancellation);
            return ReadAnswer(facts with { Trusted = daemon.Trust != DaemonTrust.NotTrusted }, answer.ErrorMessage);
        }
        catch (DaemonException e)
        {
            // Some versions say by an error that they are another system: then they have listened to us.
            var read = ReadAnswer(facts, e.Message);
            return read.System is null ? read : read with { Trusted = daemon.Trust != DaemonTrust.NotTrusted };
        }
    }

    internal static BuilderFacts ReadAnswer(BuilderFacts facts, string answer) => facts with
    {
        System = OwnSystem().Match(answer) is { Success: true } system ? system.Groups["system"].Value : facts.System,
        Features = OwnFeatures().Match(answer) is { Success: true } features
            ? features.Groups["features"].Value.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries)
            : facts.Features,
    };

    private static BasicDerivation Impossible() => new()
    {
        Outputs = new Dictionary<string, DerivationOutput>
        {
            ["out"] = new(StorePath.Parse($"{StorePath.StoreFolder}/{ProbeHash}-{ProbeSystem}"), "", ""),
        },
        InputPaths = [],
        System = ProbeSystem,
        Builder = "/bin/sh",
        Arguments = [],
        Environment = new Dictionary<string, string> { ["requiredSystemFeatures"] = ProbeSystem },
    };

    // Nix up to 2.31 says "but I am a 'SYSTEM' with features {…}", 2.32 and 2.33 "Current system: 'SYSTEM' with features {…}", later ones
    // "Current system: 'SYSTEM'", and "Available features: {…}" where it lacks one.
    [GeneratedRegex(@"(I am a|Current system:)\s*'(?<system>[^']+)'", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex OwnSystem();

    [GeneratedRegex(
        @"(I am a '[^']+' with features|Current system: '[^']+' with features|Available features:)\s*\{(?<features>[^}]*)\}",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex OwnFeatures();
}
