namespace NixBuildFarm.Builders.Listing;

/// <summary>How bad a problem in a list of builders is.</summary>
public enum ProblemSeverity
{
    /// <summary>Something is ignored or looks like a mistake; the entry is used.</summary>
    Warning,

    /// <summary>The entry is not used.</summary>
    Error,
}

/// <summary>Something wrong in a list of builders, and where. The entries without an error are used all the same.</summary>
public sealed class BuilderProblem
{
    /// <summary>Whether the entry is used.</summary>
    public required ProblemSeverity Severity { get; init; }

    /// <summary>Stable name of this kind of problem, in PascalCase; the cmdlets use it as ErrorId.</summary>
    public required string Id { get; init; }

    /// <summary>The file, or the name of the setting, that it stands in.</summary>
    public required string File { get; init; }

    /// <summary>The line in it, from 1.</summary>
    public required int Line { get; init; }

    /// <summary>The character in the line, from 1.</summary>
    public required int Column { get; init; }

    /// <summary>The field of the entry, e.g. <c>maxJobs</c>; null where it is not about one field.</summary>
    public string? Field { get; init; }

    /// <summary>The problem.</summary>
    public required string Message { get; init; }

    /// <summary>A recommendation; null where there is none.</summary>
    public string? Recommendation { get; init; }

    /// <summary>Place, field and message in one line: <c>/etc/nix/machines:3:24: maxJobs: …</c></summary>
    public override string ToString() => $"{File}:{Line}:{Column}: {(Field is null ? "" : Field + ": ")}{Message}";
}
