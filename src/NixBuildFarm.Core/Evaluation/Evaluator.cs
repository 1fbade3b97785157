using System.Text.Json;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Evaluation;

/// <summary>Runs the evaluating programs of Nix, and reads their messages.</summary>
internal sealed class Evaluator(EvaluationOptions options)
{
    private static readonly string[] Features = ["--extra-experimental-features", "nix-command flakes"];
    private static readonly string[] Format = ["--log-format", "internal-json"];

    private readonly EvaluationLog log = new(options.Heard);

    /// <summary>The options.</summary>
    public EvaluationOptions Options => options;

    /// <summary>The paths of an installable's derivations. Nix caches them, so the second time is fast.</summary>
    /// <exception cref="NixBuildFarmException">It does not evaluate, or is something else.</exception>
    public Task<string> FindDerivationsAsync(string installable, CancellationToken cancellation) =>
        // Words after -- are never options.
        RunAsync("nix", ["path-info", "--derivation", .. Features, .. FlakeWords(), "--", installable], cancellation);

    /// <summary>The derivations in the value of an installable.</summary>
    /// <exception cref="NixBuildFarmException">It does not evaluate.</exception>
    public Task<DerivationSet> FindSetAsync(string installable, CancellationToken cancellation) =>
        DescribeAsync([.. FlakeWords(), "--apply", DerivationSet.Expression(options.Systems, "{ }"), "--", installable], cancellation);

    /// <summary>The derivations in the value of an expression, or of an attribute of it.</summary>
    /// <param name="expression">The expression.</param>
    /// <param name="attribute">The path of the attribute; null: the expression itself.</param>
    /// <param name="arguments">Arguments of functions, as expressions.</param>
    /// <param name="cancellation">Ends the evaluation.</param>
    /// <exception cref="NixBuildFarmException">It does not evaluate.</exception>
    public Task<DerivationSet> FindInExpressionAsync(
        string expression, string? attribute, IReadOnlyDictionary<string, string> arguments, CancellationToken cancellation)
    {
        var assignments = arguments.Select(argument => $"{NixString(argument.Key)} = {argument.Value}; ");
        var given = $"{{ {string.Concat(assignments)}}}";
        return DescribeAsync(
            [
                .. PurityWords(), "--expr", expression, .. ArgumentWords(arguments), "--apply",
                DerivationSet.Expression(options.Systems, given), .. attribute is null ? Array.Empty<string>() : ["--", attribute],
            ],
            cancellation);
    }

    /// <summary>The paths of the derivations that a file, or attributes of it, evaluate to.</summary>
    /// <exception cref="NixBuildFarmException">It does not evaluate.</exception>
    public Task<string> InstantiateAsync(
        string file, IEnumerable<string> attributes, IReadOnlyDictionary<string, string> arguments, CancellationToken cancellation) =>
        RunAsync(
            "nix-instantiate",
            [file, .. attributes.SelectMany(attribute => (string[])["--attr", attribute]), .. ArgumentWords(arguments)],
            cancellation);

    private async Task<DerivationSet> DescribeAsync(IEnumerable<string> words, CancellationToken cancellation)
    {
        var printed = await RunAsync("nix", ["eval", "--json", .. Features, .. words], cancellation);
        try
        {
            return DerivationSet.Parse(printed);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new NixBuildFarmException(
                "EvaluationNotUnderstood",
                $"What “nix eval --json” prints is not understood: {e.Message}",
                "Check that “nix” in PATH is Nix 2.4 or later.",
                e);
        }
    }

    private async Task<string> RunAsync(string program, string[] words, CancellationToken cancellation)
    {
        // Options belong before the word “--”, and after the name of the subcommand.
        var at = program == "nix" ? 1 : 0;
        try
        {
            return await NixCommand.RunAsync(
                program, [.. words[..at], .. Format, .. options.Words, .. words[at..]], options.WorkingDirectory, listen: log.Read,
                cancellation: cancellation);
        }
        catch (NixBuildFarmException e) when (e.Message.Contains("--impure", StringComparison.Ordinal))
        {
            throw new NixBuildFarmException(e.Id, e.Message, "Give -Impure, if it may use what is not in the store or locked.", e);
        }
    }

    private IEnumerable<string> FlakeWords() =>
        [.. PurityWords(), .. options.OverrideInputs.SelectMany(input => (string[])["--override-input", input.Key, input.Value])];

    private IEnumerable<string> PurityWords() => options.IsImpure ? ["--impure"] : [];

    private static IEnumerable<string> ArgumentWords(IReadOnlyDictionary<string, string> arguments) =>
        arguments.SelectMany(argument => (string[])["--arg", argument.Key, argument.Value]);

    private static string NixString(string text) => JsonSerializer.Serialize(text).Replace("$", "\\$", StringComparison.Ordinal);
}
