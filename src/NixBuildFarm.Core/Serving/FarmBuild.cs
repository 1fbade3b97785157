using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;

namespace NixBuildFarm.Serving;

/// <summary>What came of a client's order, in Nix's own words where it failed.</summary>
/// <param name="Failures">What is not there, in the order in which that became known.</param>
/// <param name="Message">What a client is told that asked for everything or nothing.</param>
/// <param name="Details">What it is told before that, one message for each failure, where there are several.</param>
internal sealed record FarmBuild(IReadOnlyList<NixBuildResult> Failures, string Message, IReadOnlyList<string> Details)
{
    /// <summary>As many lines of a failed build's log as Nix shows.</summary>
    private const int LogLines = 10;

    private bool isRefused;

    /// <summary>Nothing was to be done.</summary>
    public static readonly FarmBuild None = new([], "", []);

    /// <summary>Sums up the results of what was asked for.</summary>
    public static FarmBuild Of(IReadOnlyList<NixBuildResult> results)
    {
        NixBuildResult[] failures = [.. results.Where(result => result is { Success: false, IsRequested: true })];
        return failures switch
        {
            [] => None,
            [var only] => new(failures, Describe(only), []),
            _ =>
                new(
                    failures,
                    $"build of {string.Join(", ", failures.Select(failure => $"'{failure.DerivationPath}'"))} failed",
                    [.. failures.Select(Describe)]),
        };
    }

    /// <summary>Nothing could be built.</summary>
    public static FarmBuild Refused(NixBuildFarmException error) =>
        new(
            [],
            string.Join(' ', new[] { error.Message, error.Recommendation }.Where(text => !string.IsNullOrEmpty(text))),
            []) { isRefused = true };

    /// <summary>Whether everything is there.</summary>
    public bool IsSuccess => Failures.Count == 0 && !isRefused;

    /// <summary>Whether the outputs of a derivation are not there.</summary>
    public bool HasFailed(StorePath derivation) => isRefused || Failures.Any(failure => failure.Path == derivation);

    /// <summary>The result of a derivation whose outputs are not there, for the protocol.</summary>
    public BuildResult ResultOf(StorePath derivation)
    {
        var failure = Failures.FirstOrDefault(failure => failure.Path == derivation);
        return new()
        {
            Status = failure?.Status switch
            {
                NixBuildStatus.Failed => BuildStatus.PermanentFailure,
                NixBuildStatus.TimedOut => BuildStatus.TimedOut,
                NixBuildStatus.DependencyFailed => BuildStatus.DependencyFailed,
                _ => BuildStatus.MiscFailure,
            },
            ErrorMessage = failure is null ? Message : Describe(failure),
            TimesBuilt = failure?.Started is null ? 0 : 1,
            StartTime = failure?.Started,
            StopTime = failure is { Started: { } started } ? started + failure.Duration : null,
        };
    }

    /// <summary>Why a derivation is not there.</summary>
    public static string Describe(NixBuildResult failure)
    {
        if (failure.Status == NixBuildStatus.DependencyFailed)
        {
            return $"1 dependencies of derivation '{failure.DerivationPath}' failed to build";
        }
        var error = failure.Error ?? "it was not built";
        if (!error.Contains(failure.DerivationPath, StringComparison.Ordinal))
        {
            error = $"build of '{failure.DerivationPath}' failed: {error}";
        }
        var (first, rest) = error.IndexOf('\n', StringComparison.Ordinal) is > 0 and var end ? (error[..end], error[end..]) : (error, "");
        var where = failure.Builder is { } builder and not NixBuilder.LocalName ? $" (on '{builder}')" : "";
        // The message of a builder's daemon has the last lines of the log in it.
        return first.TrimEnd(';', '.') + where + (rest.Length > 0 || failure.LogTail.Count == 0 ? rest : Tail(failure));
    }

    private static string Tail(NixBuildResult failure)
    {
        string[] tail = [.. failure.LogTail.TakeLast(LogLines)];
        return $";\nlast {tail.Length} log lines:\n{string.Concat(tail.Select(line => $"> {line}\n"))}For full logs, run 'nix log "
            + $"{failure.DerivationPath}'.";
    }
}
