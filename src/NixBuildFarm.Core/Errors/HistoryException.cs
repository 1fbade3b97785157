namespace NixBuildFarm.Errors;

/// <summary>The kinds of failure of the history.</summary>
public enum HistoryFailure
{
    /// <summary>It cannot be read or written now: locked, read-only, disk full.</summary>
    Unavailable,

    /// <summary>It is damaged, or something else.</summary>
    Corrupt,

    /// <summary>A newer version of NixBuildFarm has made it.</summary>
    Newer,
}

/// <summary>The history cannot be used; the message names its file. A build goes on without it.</summary>
public sealed class HistoryException : NixBuildFarmException
{
    /// <summary>Makes an error about the history; its id is <c>History</c> and the name of the failure.</summary>
    public HistoryException(HistoryFailure failure, string message, string recommendation, Exception? inner = null)
        : base($"History{failure}", message, recommendation, inner) => Failure = failure;

    /// <summary>The kind of failure.</summary>
    public HistoryFailure Failure { get; }

    /// <summary>Whether another program keeps it locked, which passes by itself as a rule.</summary>
    public bool IsLocked { get; init; }
}
