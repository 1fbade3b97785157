using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>
/// Whether a builder's outputs can be copied back to a local store that does not trust the user. They can if the builder signs with a key
/// in the local <c>trusted-public-keys</c>. A path of a few bytes is tried before anything is built, since only the two daemons know their
/// configuration.
/// </summary>
internal static class LocalTrust
{
    private const string ProbeName = "nixbuildfarm-signature-probe";

    /// <summary>The recommendation when they cannot.</summary>
    public const string Recommendation =
        "Either add this user to trusted-users in the local /etc/nix/nix.conf and restart the Nix daemon; or let the builders sign what "
            + "they build "
        + "(secret-key-files in their nix.conf) and add their public key to the local trusted-public-keys.";

    /// <summary>Has the builder make a path, and offers it to the local store. Null when that takes it, else the reason.</summary>
    /// <exception cref="BuilderException">The builder fails at it.</exception>
    public static async Task<string?> WhyNotAsync(BuilderSession builder, BuilderSession local, CancellationToken cancellation)
    {
        var output = StorePath.Random(ProbeName);
        var built = await builder.AskBesideAsync(
            (daemon, token) =>
                daemon.BuildDerivationAsync(StorePath.Random(ProbeName + ".drv"), Probe(output), BuildMode.Normal, sink: null, token),
            cancellation);
        if (!built.IsSuccess) return $"{builder} cannot build at all: {built.ErrorMessage}";
        var info = await builder.AskAsync((daemon, token) => daemon.QueryPathInfoAsync(output, token), cancellation);
        if (info is null || info.Signatures.Count == 0) return $"{builder} does not sign what it builds.";
        try
        {
            await local.UseAsync(
                ChannelUse.Build,
                daemon => daemon.AddToStoreNarAsync(
                    new NarSource(
                        info, (nar, stop) => builder.UseAsync(ChannelUse.Bulk, from => from.CopyNarToAsync(output, nar, stop), stop)),
                    dontCheckSignatures: false,
                    cancellation),
                cancellation);
            return null;
        }
        catch (DaemonException e)
        {
            return $"{builder} signs with {string.Join(", ", info.Signatures.Select(signature => signature.Split(':')[0]))}, which the "
                + $"local store does not accept: {e.Text}";
        }
    }

    // Nix's own builder of profiles, without any package: it needs no shell, no sandbox and no input.
    private static BasicDerivation Probe(StorePath output) => new()
    {
        Outputs = new Dictionary<string, DerivationOutput> { ["out"] = new(output, "", "") },
        InputPaths = [],
        System = "builtin",
        Builder = "builtin:buildenv",
        Arguments = [],
        Environment = new Dictionary<string, string> { ["out"] = output.ToString(), ["derivations"] = "", ["manifest"] = "/dev/null" },
    };
}
