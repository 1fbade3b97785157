namespace NixBuildFarm.Errors;

/// <summary>An error for the person reading it: what happened, and what to do about it.</summary>
public class NixBuildFarmException : Exception
{
    /// <summary>Makes an error.</summary>
    /// <param name="id">Stable name of this kind of error, in PascalCase; the cmdlets use it as ErrorId.</param>
    /// <param name="message">What happened, on which builder and derivation.</param>
    /// <param name="recommendation">A recommendation; null where there is none.</param>
    /// <param name="inner">The cause.</param>
    public NixBuildFarmException(string id, string message, string? recommendation = null, Exception? inner = null)
        : base(message, inner)
    {
        Id = id;
        Recommendation = recommendation;
    }

    /// <summary>Stable name of this kind of error.</summary>
    public string Id { get; }

    /// <summary>A recommendation; null where there is none.</summary>
    public string? Recommendation { get; }
}
