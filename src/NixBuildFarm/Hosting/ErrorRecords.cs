using System.Management.Automation;
using System.Text;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Text;

namespace NixBuildFarm.Hosting;

/// <summary>Makes all error records of the module.</summary>
internal static class ErrorRecords
{
    /// <summary>
    /// Since 7.5, PowerShell's own view of an error has its recommendation, line by line; before, it has the message only.
    /// </summary>
    private static readonly bool AreRecommendationsShown = typeof(PSObject).Assembly.GetName().Version >= new Version(7, 5);

    /// <summary>The record of an error that knows its id and its recommendation.</summary>
    public static ErrorRecord ToErrorRecord(this NixBuildFarmException error, object? target = null) =>
        Record(error, CategoryOf(error), target ?? (error as BuilderException)?.Builder);

    /// <summary>The record of an entry of a list that is not used.</summary>
    public static ErrorRecord ToErrorRecord(this BuilderProblem problem) => Record(
        new NixBuildFarmException(problem.Id, problem.ToString(), problem.Recommendation), ErrorCategory.InvalidData, problem);

    private static ErrorRecord Record(
        NixBuildFarmException error, ErrorCategory category, object? target, string? message = null, string details = "")
    {
        var record = new ErrorRecord(error, error.Id, category, target);
        message ??= error.Message;
        if (error.Recommendation is { } recommendation)
        {
            record.ErrorDetails = new ErrorDetails(
                AreRecommendationsShown ? message : $"{message}\n  Recommendation: {recommendation}{details}")
            {
                RecommendedAction = recommendation + details,
            };
        }
        return record;
    }

    /// <summary>
    /// The record of a derivation that was not built. The end of the build's log is part of the exception's message, and follows the
    /// recommendation in the shown text: in scripts, PowerShell reflows a message to one paragraph. In CI systems it is in a group of its
    /// own.
    /// </summary>
    public static ErrorRecord ToErrorRecord(this NixBuildResult result)
    {
        var phase = result.Phase is { } name ? $", in {TerminalText.Strip(name)}" : "";
        var message = $"{result.Name}{phase}: {Reason(result)}";
        var log = LogOf(result);
        return Record(
            new NixBuildFarmException($"Build{result.Status}", message + log, RecommendationFor(result)),
            result.Status switch
            {
                NixBuildStatus.TimedOut => ErrorCategory.OperationTimeout,
                NixBuildStatus.NoEligibleBuilder => ErrorCategory.ResourceUnavailable,
                _ => ErrorCategory.InvalidResult,
            },
            result,
            message,
            CiSystem.IsHere ? "" : log);
    }

    private static string LogOf(NixBuildResult result)
    {
        if (result.LogTail.Count == 0) return "";
        var log = new StringBuilder(
            result.LogTail.Count == 1
                ? $"\n  What it printed last on {result.Builder}:"
                : $"\n  The last {result.LogTail.Count} lines that it printed on {result.Builder}:");
        foreach (var line in result.LogTail) log.Append("\n  > ").Append(TerminalText.Strip(line));
        return log.ToString();
    }

    // Nix adds the end of the log, which comes below, and a command that looks for the log on this machine only.
    private static string Reason(NixBuildResult result)
    {
        var reason = TerminalText.Strip(result.Error ?? result.Status.ToString()).Trim();
        return result.LogTail.Count > 0 && FailureText.HasLog(reason) ? FailureText.InOneLine(reason).TrimEnd('.') + "." : reason;
    }

    private static string RecommendationFor(NixBuildResult result) => result switch
    {
        { Status: NixBuildStatus.NoEligibleBuilder } =>
            "Give the build a builder that has what it requires: Get-NixBuilder shows what each has.",
        { LogPath: { } log } => $"Get-NixBuildLog {result.Name} -Run {result.RunId} shows the whole log, which is in {log}"
            + (result.BuildFolder is { } folder ? $". Its build directory: {EnterText.Of(folder)}" : "")
            + (result.BuildFolder is { } kept && EnterText.VariablesIn(kept) is { } variables ? $". {variables}" : ""),
        _ => "Run it again with -Verbose to see what was decided.",
    };

    private static ErrorCategory CategoryOf(NixBuildFarmException error) => error switch
    {
        BuilderException { Failure: BuilderFailure.Unreachable or BuilderFailure.ConnectionLost } => ErrorCategory.ConnectionError,
        BuilderException { Failure: BuilderFailure.AuthenticationFailed } => ErrorCategory.AuthenticationError,
        BuilderException { Failure: BuilderFailure.HostKeyMismatch or BuilderFailure.FalseResult } => ErrorCategory.SecurityError,
        BuilderException { Failure: BuilderFailure.NoNix } => ErrorCategory.NotInstalled,
        BuilderException { Failure: BuilderFailure.Incompatible } => ErrorCategory.ProtocolError,
        BuilderException => ErrorCategory.InvalidData,
        _ => error.Id switch
        {
            _ when error.Id.EndsWith("NotFound", StringComparison.Ordinal) => ErrorCategory.ObjectNotFound,
            _ when error.Id.StartsWith("Malformed", StringComparison.Ordinal) => ErrorCategory.InvalidData,
            _ when error.Id.StartsWith("Untrusted", StringComparison.Ordinal) => ErrorCategory.PermissionDenied,
            _ => ErrorCategory.InvalidOperation,
        },
    };
}
