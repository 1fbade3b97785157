using System.Text.RegularExpressions;
using NixBuildFarm.Builders;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Sessions;

/// <summary>
/// Asks a daemon for its system and whether it trusts us, by a build that cannot take place: its system does not exist. A daemon that
/// trusts us answers that it has another system, and which; one that does not trust us refuses the request.
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

    internal static BuilderFacts ReadAnswer(BuilderFacts facts, string answer)
    {
        var own = OwnSystem().Match(answer);
        return own.Success
            ? facts with
            {
                System = own.Groups["system"].Value,
                Features = own.Groups["features"].Value.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries),
            }
            : facts;
    }

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
        Environment = new Dictionary<string, string>(),
    };

    // Nix up to 2.31 says "but I am a 'SYSTEM' with features {…}", later ones "Current system: 'SYSTEM' with features {…}".
    [GeneratedRegex(@"(?:I am a|Current system:)\s*'(?<system>[^']+)' with features \{(?<features>[^}]*)\}", RegexOptions.NonBacktracking)]
    private static partial Regex OwnSystem();
}
