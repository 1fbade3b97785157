using System.Text;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;

namespace NixBuildFarm.Serving;

/// <summary>What came of a client's order, in Nix's own words where it failed.</summary>
/// <param name="Failures">What is not there, in the order in which that became known.</param>
/// <param name="Message">What a client is told that asked for everything or nothing.</param>
internal sealed record FarmBuild(IReadOnlyList<NixBuildResult> Failures, string Message)
{
    /// <summary>As many lines of a failed build's log as Nix shows.</summary>
    private const int LogLines = 10;

    private bool isRefused;

    /// <summary>Nothing was to be done.</summary>
    public static readonly FarmBuild None = new([], "");

    /// <summary>Sums the results up.</summary>
    public static FarmBuild Of(IReadOnlyList<NixBuildResult> results)
    {
        NixBuildResult[] failures = [.. results.Where(result => !result.Success)];
        return new(failures, Summarise(failures));
    }

    /// <summary>Nothing could be built.</summary>
    public static FarmBuild Refused(NixBuildFarmException error) =>
        new([], string.Join(' ', new[] { error.Message, error.Recommendation }.Where(text => !string.IsNullOrEmpty(text)))) { isRefused = true };

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

    private static string Summarise(IReadOnlyList<NixBuildResult> failures)
    {
        NixBuildResult[] causes = [.. failures.Where(failure => failure.Status.HasFailed())];
        return causes switch
        {
            [] => failures is [var first, ..] ? Describe(first) : "",
            [var only] => Describe(only),
            _ => $"build of {string.Join(", ", causes.Select(cause => $"'{cause.DerivationPath}'"))} failed\n{string.Join('\n', causes.Select(Describe))}",
        };
    }

    private static string Describe(NixBuildResult failure)
    {
        if (failure.Status == NixBuildStatus.DependencyFailed) return $"cannot build '{failure.DerivationPath}': {failure.Error}";
        var text = new StringBuilder(failure.Error ?? $"'{failure.DerivationPath}' was not built");
        if (!text.ToString().Contains(failure.DerivationPath, StringComparison.Ordinal)) text.Insert(0, $"build of '{failure.DerivationPath}' failed: ");
        if (failure.Builder is { } builder) text.Append($" on {builder}");
        if (failure.LogTail.Count == 0) return text.ToString();
        string[] tail = [.. failure.LogTail.TakeLast(LogLines)];
        text.Append($";\nlast {tail.Length} log lines:");
        foreach (var line in tail) text.Append($"\n> {line}");
        return text.Append($"\nFor full logs, run 'nix log {failure.DerivationPath}'.").ToString();
    }
}
