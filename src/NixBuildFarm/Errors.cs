using System.Management.Automation;
using NixBuildFarm.Builders;

namespace NixBuildFarm;

/// <summary>All error records of the module, made from what went wrong.</summary>
internal static class Errors
{
    /// <summary>The record of an error that knows its id and its recommendation.</summary>
    public static ErrorRecord ToErrorRecord(this NixBuildFarmException error, object? target = null) =>
        Record(error, CategoryOf(error), target ?? (error as BuilderException)?.Builder);

    /// <summary>The record of an entry of a list that is not used.</summary>
    public static ErrorRecord ToErrorRecord(this BuilderProblem problem) => Record(
        new NixBuildFarmException(problem.Id, problem.ToString(), problem.Recommendation), ErrorCategory.InvalidData, problem);

    private static ErrorRecord Record(NixBuildFarmException error, ErrorCategory category, object? target)
    {
        var record = new ErrorRecord(error, error.Id, category, target);
        if (error.Recommendation is { } recommendation)
        {
            record.ErrorDetails = new ErrorDetails(error.Message) { RecommendedAction = recommendation };
        }
        return record;
    }

    private static ErrorCategory CategoryOf(NixBuildFarmException error) => error switch
    {
        BuilderException { Failure: BuilderFailure.Unreachable or BuilderFailure.ConnectionLost } => ErrorCategory.ConnectionError,
        BuilderException { Failure: BuilderFailure.AuthenticationFailed } => ErrorCategory.AuthenticationError,
        BuilderException { Failure: BuilderFailure.HostKeyMismatch } => ErrorCategory.SecurityError,
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
