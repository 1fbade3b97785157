using System.Text.Json;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Evaluation;

/// <summary>Runs the evaluating programs of Nix, and reads their messages.</summary>
internal sealed class Evaluator(EvaluationOptions options)
{
    private const string Instantiate = "nix-instantiate";
    private static readonly string[] Features = ["--extra-experimental-features", "nix-command flakes"];
    private static readonly string[] Format = ["--log-format", "internal-json"];

    private readonly EvaluationLog log = new(options.Heard);

    /// <summary>The options.</summary>
    public EvaluationOptions Options => options;

    /// <summary>Whether this machine has <c>nix-instantiate</c>: where only <c>nix</c> itself was installed, it has not.</summary>
    public static bool HasInstantiate => ProgramPath.Find(Instantiate) is not null;

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
        string expression, string? attribute, IReadOnlyDictionary<string, string> arguments, CancellationToken cancellation) =>
        DescribeAsync(
            [
                .. PurityWords(), "--expr", expression, .. ArgumentWords(arguments), "--apply",
                DerivationSet.Expression(options.Systems, SetOf(arguments)), .. AttributeWords(attribute),
            ],
            cancellation);

    /// <summary>
    /// The same for a file, or an attribute of it, with the derivations and outputs that <c>nix-instantiate</c> finds: for a machine that
    /// does not have that program.
    /// </summary>
    /// <exception cref="NixBuildFarmException">It does not evaluate.</exception>
    public Task<DerivationSet> FindInFileAsync(
        string file, string? attribute, IReadOnlyDictionary<string, string> arguments, CancellationToken cancellation) =>
        DescribeAsync(
            [
                "--impure", "--file", file, .. ArgumentWords(arguments), "--apply",
                DerivationSet.Expression([], SetOf(arguments), isOfFile: true), .. AttributeWords(attribute),
            ],
            cancellation);

    /// <summary>The paths of the derivations that a file, or attributes of it, evaluate to.</summary>
    /// <exception cref="NixBuildFarmException">It does not evaluate.</exception>
    public Task<string> InstantiateAsync(
        string file, IEnumerable<string> attributes, IReadOnlyDictionary<string, string> arguments, CancellationToken cancellation) =>
        RunAsync(
            Instantiate,
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
        catch (NixBuildFarmException e) when (Recommendation(e.Message) is { } recommendation)
        {
            throw new NixBuildFarmException(e.Id, e.Message, recommendation, e);
        }
    }

    /// <summary>What to do, where Nix's message names its own options, or what only the network has.</summary>
    internal static string? Recommendation(string message) =>
        message.Contains("--impure", StringComparison.Ordinal) ? "Give -Impure, if it may use what is not in the store or locked."
        : message.Contains("--no-update-lock-file", StringComparison.Ordinal)
            ? "Lock its inputs with “nix flake lock”, or leave out -LockFile Fixed."
        : message.Contains("unable to download", StringComparison.Ordinal) && message.Contains("registry", StringComparison.Ordinal)
            ? "Without a network, name a registry on this machine, -Option @{ 'flake-registry' = '/etc/nix/registry.json' }, or give the "
                + "address of the flake in place of its name."
        : null;

    private IEnumerable<string> FlakeWords() =>
        [
            .. PurityWords(), .. LockFileWords(),
            .. options.OverrideInputs.SelectMany(input => (string[])["--override-input", input.Key, input.Value]),
        ];

    private IEnumerable<string> LockFileWords() => options.LockFile switch
    {
        LockFileMode.Keep => ["--no-write-lock-file"],
        LockFileMode.Fixed => ["--no-update-lock-file"],
        _ => [],
    };

    private IEnumerable<string> PurityWords() => options.IsImpure ? ["--impure"] : [];

    private static IEnumerable<string> AttributeWords(string? attribute) => attribute is null ? [] : ["--", attribute];

    private static IEnumerable<string> ArgumentWords(IReadOnlyDictionary<string, string> arguments) =>
        arguments.SelectMany(argument => (string[])["--arg", argument.Key, argument.Value]);

    private static string SetOf(IReadOnlyDictionary<string, string> arguments) =>
        $"{{ {string.Concat(arguments.Select(argument => $"{NixLiteral.Of(argument.Key)} = {argument.Value}; "))}}}";
}
