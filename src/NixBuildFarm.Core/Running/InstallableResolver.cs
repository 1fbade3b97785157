using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Running;

/// <summary>What the user asked for, resolved: a derivation and the outputs that are wanted of it.</summary>
/// <param name="Derivation">The path of the derivation.</param>
/// <param name="Outputs">Names of the wanted outputs; empty: all.</param>
public sealed record RequestedDerivation(StorePath Derivation, IReadOnlyList<string> Outputs)
{
    /// <summary>As the daemon's protocol names it.</summary>
    internal DerivedPath ToDerivedPath() =>
        Outputs.Count > 0 ? DerivedPath.SomeOutputs(Derivation, Outputs) : DerivedPath.AllOutputs(Derivation);
}

/// <summary>Turns what the user names into derivations, with Nix's own evaluator.</summary>
public static class InstallableResolver
{
    private static readonly string[] Features = ["--extra-experimental-features", "nix-command flakes"];

    /// <summary>Resolves installables as <c>nix build</c> takes them: <c>nixpkgs#hello</c>, <c>.#tests</c>, a <c>.drv</c> path.</summary>
    /// <exception cref="NixBuildFarmException">It does not evaluate; the message is Nix's.</exception>
    public static async Task<IReadOnlyList<RequestedDerivation>> ResolveAsync(
        IEnumerable<string> installables, string workingDirectory, CancellationToken cancellation)
    {
        var requested = new List<RequestedDerivation>();
        foreach (var installable in installables)
        {
            requested.AddRange(ParseDerivationPath(installable) is { } derivation
                ? [derivation]
                : await EvaluateAsync(installable, workingDirectory, cancellation));
        }
        return requested;
    }

    /// <summary>Evaluates a <c>.nix</c> file: the whole, or the attributes named.</summary>
    /// <param name="file">The file.</param>
    /// <param name="attributes">Attribute paths; empty: what the file itself evaluates to.</param>
    /// <param name="arguments">Arguments of the file's function, as Nix expressions.</param>
    /// <param name="cancellation">Ends the evaluation.</param>
    /// <exception cref="NixBuildFarmException">It does not evaluate; the message is Nix's.</exception>
    public static async Task<IReadOnlyList<RequestedDerivation>> ResolveFileAsync(
        string file, IReadOnlyList<string> attributes, IReadOnlyDictionary<string, string> arguments, CancellationToken cancellation)
    {
        var words = new List<string> { Path.GetFullPath(file) };
        foreach (var attribute in attributes) words.AddRange(["--attr", attribute]);
        foreach (var (name, expression) in arguments) words.AddRange(["--arg", name, expression]);
        var printed = await NixCommand.RunAsync("nix-instantiate", words, cancellation: cancellation);
        var requested = ParseLines(printed);
        return requested.Count > 0
            ? requested
            : throw new NixBuildFarmException("DerivationNotFound", $"{file} evaluates to no derivation.", "Name an attribute that is a derivation: -Attribute NAME.");
    }

    /// <summary>Reads paths of derivations.</summary>
    /// <exception cref="NixBuildFarmException">Something is no path of a derivation.</exception>
    public static IReadOnlyList<RequestedDerivation> ResolveDerivations(IEnumerable<string> paths) =>
        [.. paths.Select(path => ParseDerivationPath(path)
            ?? throw new NixBuildFarmException("MalformedDerivationPath", $"“{path}” is no path of a derivation.", "Give /nix/store/HASH-NAME.drv, e.g. from nix-instantiate."))];

    /// <summary>
    /// Reads <c>/nix/store/….drv</c>, with <c>!out,dev</c> or <c>^out,dev</c> after it where single outputs are meant;
    /// null when the text is anything else.
    /// </summary>
    public static RequestedDerivation? ParseDerivationPath(string text)
    {
        var parts = text.Split(['!', '^'], 2);
        if (!StorePath.TryParse(parts[0], out var path) || !path.IsDerivation) return null;
        var outputs = parts.Length == 1 || parts[1] == "*" ? [] : parts[1].Split(',', StringSplitOptions.RemoveEmptyEntries);
        return new(path, outputs);
    }

    private static async Task<IReadOnlyList<RequestedDerivation>> EvaluateAsync(string installable, string workingDirectory, CancellationToken cancellation)
    {
        // What follows -- cannot be taken for an option.
        var printed = await NixCommand.RunAsync("nix", ["path-info", "--derivation", .. Features, "--", installable], workingDirectory, cancellation: cancellation);
        var requested = ParseLines(printed);
        return requested.Count > 0
            ? requested
            : throw new NixBuildFarmException("DerivationNotFound", $"“{installable}” evaluates to no derivation.", "Name something that nix build would build.");
    }

    private static List<RequestedDerivation> ParseLines(string printed) =>
        [.. printed.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(ParseDerivationPath).OfType<RequestedDerivation>().Distinct()];
}
