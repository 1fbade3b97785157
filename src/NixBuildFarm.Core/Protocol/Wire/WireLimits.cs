namespace NixBuildFarm.Protocol.Wire;

/// <summary>
/// Limits for a peer's messages. Lengths are checked before anything is allocated, and memory grows with the received bytes, not with
/// announced lengths.
/// </summary>
internal static class WireLimits
{
    /// <summary>
    /// Bytes that one message may take in memory, lists and texts together: the paths of the largest stores need far less.
    /// </summary>
    public const int Message = 128 << 20;

    /// <summary>The cost of an item of a list, beside its bytes.</summary>
    public const int Item = 64;

    /// <summary>Items of a list: more than any store has paths.</summary>
    public const int Items = 16 << 20;

    /// <summary>Bytes of a text that is read by programs: the description of an output with all that it depends on.</summary>
    public const int Text = 16 << 20;

    /// <summary>
    /// Bytes of a text for people (an error message, a phase) that are kept. Longer texts are cut, which is no fault: a message has the
    /// last lines of the log in it, and a build may print anything. Longer lines of a log come in pieces of this size.
    /// </summary>
    public const int Shown = 64 << 10;

    /// <summary>Bytes of a text for people before it is cut.</summary>
    public const long Cut = 1L << 32;

    /// <summary>Bytes of a short text: a name, a hash, a signature.</summary>
    public const int Name = 4 << 10;

    /// <summary>References of a path: more than a path that links to every package there is.</summary>
    public const int References = 256 << 10;

    /// <summary>Signatures of a path.</summary>
    public const int Signatures = 1000;

    /// <summary>Details of an activity; Nix has up to four.</summary>
    public const int Fields = 100;

    /// <summary>Traces of an error that are kept.</summary>
    public const int Traces = 20;

    /// <summary>Bytes of a NAR. A million such sizes can be added up.</summary>
    public const long Nar = 8L << 40;
}
