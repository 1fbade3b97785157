using System.Text.RegularExpressions;
using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Evaluation;

/// <summary>A resolved request: a derivation and its wanted outputs.</summary>
/// <param name="Derivation">The path of the derivation.</param>
/// <param name="Outputs">Names of the wanted outputs; empty: all.</param>
public sealed record RequestedDerivation(StorePath Derivation, IReadOnlyList<string> Outputs)
{
    /// <summary>As the daemon's protocol names it.</summary>
    internal DerivedPath ToDerivedPath() =>
        Outputs.Count > 0 ? DerivedPath.SomeOutputs(Derivation, Outputs) : DerivedPath.AllOutputs(Derivation);
}

/// <summary>Resolves installables, files and expressions to derivations, with Nix's own evaluator.</summary>
/// <param name="options">How it evaluates.</param>
public sealed partial class InstallableResolver(EvaluationOptions options)
{
    private readonly Evaluator evaluator = new(options);
    private readonly StoreFolder derivations = new();

    /// <summary>
    /// Resolves installables as <c>nix build</c> takes them: <c>nixpkgs#hello</c>, <c>.#hello.dev</c>, <c>.#hello^out,dev</c>, a
    /// <c>.drv</c> path; and sets, e.g. <c>.#checks</c>, as the derivations in them.
    /// </summary>
    /// <exception cref="NixBuildFarmException">It does not evaluate, and the message is Nix's; or it has no derivation.</exception>
    public async Task<IReadOnlyList<RequestedDerivation>> ResolveAsync(IEnumerable<string> installables, CancellationToken cancellation)
    {
        var requested = new List<RequestedDerivation>();
        foreach (var installable in installables)
        {
            requested.AddRange(
                ParseDerivationPath(installable) is { } derivation ? [derivation] : await ResolveAsync(installable, cancellation));
        }
        return requested;
    }

    /// <summary>
    /// Evaluates a <c>.nix</c> file: the whole, or the attributes named. Of a set all derivations in it count, as with <c>nix-build</c>: in
    /// sets below it where these say <c>recurseForDerivations = true</c>.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="attributes">Attribute paths; empty: the value of the file itself.</param>
    /// <param name="arguments">Arguments of the file's function, as Nix expressions.</param>
    /// <param name="cancellation">Ends the evaluation.</param>
    /// <exception cref="NixBuildFarmException">It does not evaluate; the message is Nix's.</exception>
    public async Task<IReadOnlyList<RequestedDerivation>> ResolveFileAsync(
        string file, IReadOnlyList<string> attributes, IReadOnlyDictionary<string, string> arguments, CancellationToken cancellation)
    {
        var requested = Evaluator.HasInstantiate
            ? ParseLines(await evaluator.InstantiateAsync(Path.GetFullPath(file), attributes, arguments, cancellation))
            : await FindInFileAsync();
        return requested.Count > 0
            ? requested
            : throw new NixBuildFarmException(
                "DerivationNotFound",
                $"{file} evaluates to no derivation.",
                "Name an attribute that is a derivation, or a set of them: -Attribute NAME.");

        async Task<List<RequestedDerivation>> FindInFileAsync()
        {
            var found = new List<RequestedDerivation>();
            foreach (var attribute in attributes.Count > 0 ? attributes : (IReadOnlyList<string?>)[null])
            {
                var set = await evaluator.FindInFileAsync(Path.GetFullPath(file), attribute, arguments, cancellation);
                found.AddRange(set.Derivations);
            }
            return found;
        }
    }

    /// <summary>Evaluates an expression: the whole, or the attributes named.</summary>
    /// <param name="expression">The expression.</param>
    /// <param name="attributes">Attribute paths; empty: the value of the expression itself.</param>
    /// <param name="arguments">Arguments of its functions, as Nix expressions.</param>
    /// <param name="cancellation">Ends the evaluation.</param>
    /// <exception cref="NixBuildFarmException">It does not evaluate, and the message is Nix's; or it has no derivation.</exception>
    public async Task<IReadOnlyList<RequestedDerivation>> ResolveExpressionAsync(
        string expression, IReadOnlyList<string> attributes, IReadOnlyDictionary<string, string> arguments, CancellationToken cancellation)
    {
        if (attributes.Count == 0)
        {
            return DerivationsOf(await evaluator.FindInExpressionAsync(expression, null, arguments, cancellation), "The expression");
        }
        var requested = new List<RequestedDerivation>();
        foreach (var attribute in attributes)
        {
            requested.AddRange(
                DerivationsOf(await evaluator.FindInExpressionAsync(expression, attribute, arguments, cancellation), $"“{attribute}”"));
        }
        return requested;
    }

    /// <summary>Reads paths of derivations.</summary>
    /// <exception cref="NixBuildFarmException">Something is no path of a derivation.</exception>
    public static IReadOnlyList<RequestedDerivation> ResolveDerivations(IEnumerable<string> paths) =>
        [.. paths.Select(path => ParseDerivationPath(path)
            ?? throw new NixBuildFarmException(
                "MalformedDerivationPath",
                $"“{path}” is no path of a derivation.",
                "Give /nix/store/HASH-NAME.drv, e.g. from nix-instantiate."))];

    /// <summary>
    /// Reads <c>/nix/store/….drv</c>, with <c>!out,dev</c> or <c>^out,dev</c> after it where single outputs are meant;
    /// null when the text is anything else.
    /// </summary>
    public static RequestedDerivation? ParseDerivationPath(string text) =>
        DerivedPath.TryParse(text.Replace('^', '!'), out var wanted) && wanted.Path.IsDerivation
            ? new(wanted.Path, wanted.Outputs ?? [])
            : null;

    private async Task<IReadOnlyList<RequestedDerivation>> ResolveAsync(string installable, CancellationToken cancellation)
    {
        RefuseFile(installable);
        var (value, outputs) = WithOutputs().Match(installable) is { Success: true } match
            ? (match.Groups["value"].Value, OutputsIn(match.Groups["outputs"].Value))
            : (installable, null);
        var found = await FindAsync(value, cancellation) ?? DerivationsOf(await evaluator.FindSetAsync(value, cancellation), $"“{value}”");
        return outputs is null ? found : [.. found.Select(derivation => derivation with { Outputs = outputs })];

        async Task<IReadOnlyList<RequestedDerivation>?> FindAsync(string value, CancellationToken cancellation)
        {
            var printed = await FindDerivationsAsync(value, cancellation);
            if (printed is null || printed.Count == 0) return null;
            return await Reevaluation.UseAsync(
                printed, async token => await FindDerivationsAsync(value, token) ?? [], ChooseAsync, cancellation);
        }

        async Task<IReadOnlyList<RequestedDerivation>?> ChooseAsync(IReadOnlyList<RequestedDerivation> printed)
        {
            // Only Nix knows which of several outputs are meant by default.
            var single = printed is [var only]
                && (outputs is not null || (await derivations.ReadAsync(only.Derivation, cancellation)).Outputs.Count == 1);
            return single || StorePath.TryParse(value, out _) ? printed : null;
        }
    }

    /// <summary>Null: the installable is no derivation; it may be a set.</summary>
    private async Task<IReadOnlyList<RequestedDerivation>?> FindDerivationsAsync(string installable, CancellationToken cancellation)
    {
        try
        {
            return ParseLines(await evaluator.FindDerivationsAsync(installable, cancellation));
        }
        catch (NixBuildFarmException e) when (e.Message.Contains("flake output attribute", StringComparison.Ordinal)
            && e.Message.Contains("derivation", StringComparison.Ordinal))
        {
            return null;
        }
        catch (NixBuildFarmException e) when (!installable.Contains('#')
            && File.Exists(Path.Combine(options.WorkingDirectory, installable, "default.nix")))
        {
            throw new NixBuildFarmException(e.Id, e.Message, $"If {installable} is no flake, give its default.nix: -Path {installable}", e);
        }
    }

    private IReadOnlyList<RequestedDerivation> DerivationsOf(DerivationSet set, string named)
    {
        if (set.OtherSystems.Count > 0)
        {
            var others = $"{named} also exists for {string.Join(", ", set.OtherSystems)}, which no builder of this run builds.";
            if (set.Derivations.Count == 0)
            {
                throw new NixBuildFarmException(
                    "DerivationNotFound",
                    others.Replace(" also exists", " exists", StringComparison.Ordinal),
                    "Choose builders for one of these systems: Get-NixBuilder.");
            }
            options.Heard?.Invoke(new(EvaluationMessageKind.Note, others));
        }
        return set.Derivations.Count > 0 ? set.Derivations : throw new NixBuildFarmException(
            "DerivationNotFound",
            set.Kind is "set" or "list"
                ? $"{named} is a {set.Kind} without derivations."
                : $"{named} is no derivation, but a value of the type {set.Kind}.",
            "Name a derivation, or a set of derivations.");
    }

    /// <summary>Nix takes a file for a flake, and its message does not help.</summary>
    private void RefuseFile(string installable)
    {
        if (!installable.EndsWith(".nix", StringComparison.Ordinal) || !File.Exists(Path.Combine(options.WorkingDirectory, installable)))
        {
            return;
        }
        throw new NixBuildFarmException("InstallableIsFile", $"“{installable}” is a file, and no installable.", $"Use -Path {installable}");
    }

    private static List<RequestedDerivation> ParseLines(string printed) =>
        [
            .. printed.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Select(ParseDerivationPath)
                .OfType<RequestedDerivation>()
                .DistinctBy(r => r.ToDerivedPath().ToString()),
        ];

    private static string[] OutputsIn(string names) => names == "*" ? [] : names.Split(',', StringSplitOptions.RemoveEmptyEntries);

    [GeneratedRegex(
        @"\A(?<value>.+)\^(?<outputs>\*|[A-Za-z_][A-Za-z0-9_+.?=-]*(,[A-Za-z_][A-Za-z0-9_+.?=-]*)*)\z",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex WithOutputs();
}
