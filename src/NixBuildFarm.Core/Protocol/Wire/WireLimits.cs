namespace NixBuildFarm.Protocol.Wire;

/// <summary>
/// What a peer may send at most. Lengths are checked against these before anything is allocated, and what is allocated grows with what
/// has arrived, not with what was announced.
/// </summary>
internal static class WireLimits
{
    /// <summary>
    /// Bytes that one message may take in memory, lists and texts together: the paths of the largest stores are far less.
    /// </summary>
    public const int Message = 128 << 20;

    /// <summary>What an item of a list counts beside its bytes.</summary>
    public const int Item = 64;

    /// <summary>Items of a list: more than any store has paths.</summary>
    public const int Items = 16 << 20;

    /// <summary>Bytes of a text that is read by programs: the description of an output with all that it depends on.</summary>
    public const int Text = 16 << 20;

    /// <summary>
    /// Bytes that are kept of a text for people: an error message, a phase. What is longer is cut, and no fault: a message has the last
    /// lines of the log in it, and a build may print what it likes. Longer lines of a log come in pieces of this size.
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
