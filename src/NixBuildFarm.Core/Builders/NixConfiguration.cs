using System.Text.Json;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Builders;

/// <summary>
/// The settings of Nix on this machine that a build farm needs, as Nix itself resolves them from the system's and the
/// user's <c>nix.conf</c> and <c>NIX_CONFIG</c>.
/// </summary>
public sealed record NixConfiguration
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(30);
    private static readonly string[] Features = ["--extra-experimental-features", "nix-command"];

    private static readonly RememberedSettings Remembered = new(
        (arguments, cancellation) => NixCommand.RunAsync("nix", arguments, cancellation: cancellation),
        RememberedSettings.Surroundings,
        TimeProvider.System);

    /// <summary><c>builders</c>: a machines list, usually <c>@/etc/nix/machines</c>.</summary>
    public string Builders { get; init; } = "";

    /// <summary><c>system</c>: this machine's own, e.g. <c>x86_64-linux</c>.</summary>
    public required string System { get; init; }

    /// <summary><c>extra-platforms</c>: further systems that this machine builds, e.g. by emulation.</summary>
    public IReadOnlyList<string> ExtraPlatforms { get; init; } = [];

    /// <summary><c>max-jobs</c>, <c>auto</c> resolved: local builds at a time; 0: none.</summary>
    public int MaxJobs { get; init; } = 1;

    /// <summary><c>cores</c>: cores that each build may use; 0: all.</summary>
    public int Cores { get; init; }

    /// <summary><c>system-features</c>: the features of this machine.</summary>
    public IReadOnlyList<string> SystemFeatures { get; init; } = [];

    /// <summary><c>builders-use-substitutes</c>: builders fetch from their own substituters.</summary>
    public bool BuildersUseSubstitutes { get; init; }

    /// <summary><c>substituters</c>: binary caches.</summary>
    public IReadOnlyList<string> Substituters { get; init; } = [];

    /// <summary><c>always-allow-substitutes</c>: derivations that ask not to be fetched (<c>allowSubstitutes</c>) are not heard.</summary>
    public bool AlwaysAllowSubstitutes { get; init; }

    /// <summary><c>trusted-users</c>: users and <c>@groups</c> that the daemon trusts.</summary>
    public IReadOnlyList<string> TrustedUsers { get; init; } = [];

    /// <summary><c>trusted-public-keys</c>: whose signatures the store accepts.</summary>
    public IReadOnlyList<string> TrustedPublicKeys { get; init; } = [];

    /// <summary><c>secret-key-files</c>: the private keys that sign what is built on this machine.</summary>
    public IReadOnlyList<string> SecretKeyFiles { get; init; } = [];

    /// <summary><c>require-sigs</c>: the store accepts only paths that a trusted key has signed.</summary>
    public bool RequireSignatures { get; init; } = true;

    /// <summary><c>post-build-hook</c>: the program that Nix runs after each build; empty: none.</summary>
    public string PostBuildHook { get; init; } = "";

    /// <summary><c>store</c>: the store that commands use, usually <c>auto</c>.</summary>
    public string Store { get; init; } = "auto";

    /// <summary>
    /// Checks that Nix uses the store of this machine: there derivations are read, and outputs are copied back to it. The URI may have
    /// parameters, but none for another folder.
    /// </summary>
    /// <exception cref="NixBuildFarmException">It uses another store.</exception>
    public void RequireOwnStore()
    {
        var (kind, parameters) = Store.Split('?', 2) is [var before, var after] ? (before, after) : (Store, "");
        var isOwn = kind is "" or "auto" or "daemon" or "local" or "local://" || kind.StartsWith("unix://", StringComparison.Ordinal);
        var hasOtherFolder = parameters.Split('&').Any(parameter => parameter.Split('=')[0] is "root" or "store" or "state" or "real");
        if (isOwn && !hasOtherFolder) return;
        throw new NixBuildFarmException(
            "OtherStore",
            $"Nix is set to use the store “{Store}”, and NixBuildFarm works with the store of this machine.",
            "Take “store” out of nix.conf or NIX_CONFIG, and NIX_REMOTE out of the environment. Another machine is a builder: add it to "
                + "the machines list, or copy what was built there with Copy-NixStorePath.");
    }

    /// <summary>
    /// Asks the Nix of this machine, unless it has told already and nothing has changed that settings follow from. Needs no daemon.
    /// </summary>
    /// <exception cref="NixBuildFarmException">Nix is missing, refuses (the message is its own), or does not answer in 30 s.</exception>
    public static Task<NixConfiguration> ReadAsync(CancellationToken cancellation) => Remembered.ReadAsync(cancellation);

    internal static async Task<NixConfiguration> ReadAsync(
        Func<IReadOnlyList<string>, CancellationToken, Task<string>> runNix, TimeProvider time, CancellationToken cancellation)
    {
        using var limited = new SilenceWatch(TimeLimit, time, cancellation);
        try
        {
            return Parse(await RunAsync(runNix, limited.Token), Environment.ProcessorCount);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new NixBuildFarmException(
                "NixTimedOut", $"“nix config show” has not answered in {TimeLimit.TotalSeconds} s.",
                "Run it by hand to see what it waits for.");
        }
    }

    // Nix 2.20 renamed show-config to config show, and knows the old name still: asked by it, every version answers at once.
    private static async Task<string> RunAsync(
        Func<IReadOnlyList<string>, CancellationToken, Task<string>> runNix, CancellationToken cancellation)
    {
        try
        {
            return await runNix([.. Features, "show-config", "--json"], cancellation);
        }
        catch (NixBuildFarmException e) when (e.Message.Contains("'show-config' is not a recogni", StringComparison.Ordinal))
        {
            return await runNix([.. Features, "config", "show", "--json"], cancellation);
        }
    }

    /// <summary>Parses the output of <c>nix config show --json</c>: an object of settings, the value of each in <c>value</c>.</summary>
    /// <param name="json">The text.</param>
    /// <param name="processors">Processors of this machine, for the value <c>auto</c>.</param>
    /// <exception cref="NixBuildFarmException">The text is something else.</exception>
    public static NixConfiguration Parse(string json, int processors)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var settings = new Settings(document.RootElement);
            return new NixConfiguration
            {
                Builders = settings.Text("builders") ?? "",
                System = settings.Text("system") ?? throw NotUnderstood("it does not name the setting “system”"),
                ExtraPlatforms = settings.List("extra-platforms"),
                MaxJobs = settings.Number("max-jobs", processors) ?? 1,
                Cores = settings.Number("cores", 0) ?? 0,
                SystemFeatures = settings.List("system-features"),
                BuildersUseSubstitutes = settings.Switch("builders-use-substitutes") ?? false,
                Substituters = settings.List("substituters"),
                AlwaysAllowSubstitutes = settings.Switch("always-allow-substitutes") ?? false,
                TrustedUsers = settings.List("trusted-users"),
                TrustedPublicKeys = settings.List("trusted-public-keys"),
                SecretKeyFiles = settings.List("secret-key-files"),
                RequireSignatures = settings.Switch("require-sigs") ?? true,
                PostBuildHook = settings.Text("post-build-hook") ?? "",
                Store = settings.Text("store") ?? "auto",
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw NotUnderstood(e.Message);
        }
    }

    private static NixBuildFarmException NotUnderstood(string reason) => new(
        "NixConfigurationNotUnderstood", $"What “nix config show --json” prints is not understood: {reason}",
        "Check that “nix” in PATH is Nix 2.4 or later.");

    /// <summary>The values; null where this version of Nix does not have the setting.</summary>
    private readonly struct Settings(JsonElement settings)
    {
        public string? Text(string name) => Value(name)?.GetString();

        public bool? Switch(string name) => Value(name)?.GetBoolean();

        public int? Number(string name, int auto) => Value(name) switch
        {
            null => null,
            { ValueKind: JsonValueKind.String } text when text.GetString() == "auto" => auto,
            // Nix's numbers go further than anyone has cores.
            { } number => (int)Math.Min(number.GetUInt64(), int.MaxValue),
        };

        public string[] List(string name) => Value(name)?.EnumerateArray().Select(item => item.GetString() ?? "").ToArray() ?? [];

        private JsonElement? Value(string name) =>
            settings.TryGetProperty(name, out var setting) && setting.TryGetProperty("value", out var value)
                && value.ValueKind != JsonValueKind.Null
                ? value
                : null;
    }
}
