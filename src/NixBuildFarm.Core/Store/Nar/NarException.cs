using NixBuildFarm.Errors;

namespace NixBuildFarm.Store.Nar;

/// <summary>Bytes that are not a well-formed NAR, or only the beginning of one.</summary>
internal sealed class NarException : NixBuildFarmException
{
    /// <summary>The id of a NAR that breaks the format.</summary>
    public const string Malformed = "NarMalformed";

    /// <summary>The id of a NAR whose stream ends before it does.</summary>
    public const string Truncated = "NarTruncated";

    internal NarException(string id, long position, string message)
        : base(id, message, "Fetch the path again, from another store if there is one: what was sent is damaged.") => Position = position;

    /// <summary>Where in the NAR, in bytes from its beginning.</summary>
    public long Position { get; }
}
