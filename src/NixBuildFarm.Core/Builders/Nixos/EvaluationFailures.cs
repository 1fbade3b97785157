using System.Globalization;
using System.Text.RegularExpressions;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>The parts of a configuration that Nix cannot evaluate, and Nix's message for each.</summary>
internal sealed partial class EvaluationFailures
{
    private readonly Dictionary<string, string> messages = new(StringComparer.Ordinal);

    /// <summary>The names of the parts.</summary>
    public IReadOnlyCollection<string> Parts => messages.Keys;

    /// <summary>Adds Nix's message for a part. False: that part has failed before, so leaving it out does not help.</summary>
    public bool Add(string part, string message) => messages.TryAdd(part, message);

    /// <summary>Why a part cannot be evaluated, in one line; null: it can.</summary>
    public string? ReasonOf(string part) => messages.TryGetValue(part, out var message) ? Reason(message) : null;

    /// <summary>Nix's message for the first of these parts that has failed; null: none has.</summary>
    public string? MessageOf(params IEnumerable<string> parts) =>
        parts.Select(part => messages.GetValueOrDefault(part)).FirstOrDefault(message => message is not null);

    /// <summary>Where Nix says that it is; null: it does not say.</summary>
    public Place? PlaceOf(string part) =>
        messages.TryGetValue(part, out var message) && AtPlace().Match(message) is { Success: true } place
            ? new(
                place.Groups["file"].Value,
                int.Parse(place.Groups["line"].ValueSpan, CultureInfo.InvariantCulture),
                int.Parse(place.Groups["column"].ValueSpan, CultureInfo.InvariantCulture))
            : null;

    /// <summary>The recommendation for a part.</summary>
    public string RecommendationFor(string part) => Recommendation(messages[part]);

    /// <summary>The recommendation for an error of Nix.</summary>
    public static string Recommendation(string message) =>
        Argument().Match(message) is { Success: true } argument
            ? $"It asks for the argument “{argument.Groups["name"].Value}” of your whole configuration. "
                + $"Give it, e.g. -Argument @{{ {argument.Groups["name"].Value} = '…' }}, or name the system with -Flake."
        : MissingAttribute().Match(message) is { Success: true } attribute
            ? $"It uses “{attribute.Groups["name"].Value}”, which is not there without the rest of your configuration. "
                + "Put nixpkgs in NIX_PATH if it is a function of lib or a package; else name the whole system with -Flake, or keep the "
                + "builders in a module of their own."
        : message.Contains("needs nixpkgs", StringComparison.Ordinal)
            ? "Put nixpkgs in NIX_PATH, or keep the builders in a module of their own that does without."
        : message.Contains("infinite recursion", StringComparison.Ordinal)
            ? "An option depends on itself; NixOS would refuse it too."
            : "Correct it; nixos-rebuild would show the same.";

    // Nix up to 2.19 begins with the error and later versions end with it; the trace and the lines of source are no part of the reason.
    private static string Reason(string message)
    {
        var start = message.LastIndexOf("error:", StringComparison.Ordinal);
        var text = start < 0 ? message : message[(start + "error:".Length)..];
        text = text.Trim().Split('\n').TakeWhile(line => line.Trim().Length > 0).FirstOrDefault() ?? "Nix does not say why";
        return (text.StartsWith("nix-instantiate: ", StringComparison.Ordinal) ? text["nix-instantiate: ".Length..] : text).Trim();
    }

    [GeneratedRegex(@"asks for the argument “(?<name>[^”]+)”|called without required argument '(?<name>[^']+)'|attribute '(?<name>[^']+)' missing[\s\S]*_module\.args", RegexOptions.NonBacktracking)]
    private static partial Regex Argument();

    [GeneratedRegex("attribute '(?<name>[^']+)' missing", RegexOptions.NonBacktracking)]
    private static partial Regex MissingAttribute();

    [GeneratedRegex(@"\bat (?<file>/[^\n:]+):(?<line>\d{1,9}):(?<column>\d{1,9})", RegexOptions.NonBacktracking)]
    private static partial Regex AtPlace();
}
