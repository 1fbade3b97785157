namespace NixBuildFarm.Store.Nar;

/// <summary>The tokens of <see cref="NarParser"/>. Each node ends with <see cref="End"/>, after its children.</summary>
internal enum NarToken
{
    /// <summary>All data is consumed, or the NAR is complete.</summary>
    None,

    /// <summary>A directory begins; entries follow.</summary>
    Directory,

    /// <summary>A directory's next entry, whose node follows. Payload: the name.</summary>
    Entry,

    /// <summary>A regular file begins; pieces of its contents follow.</summary>
    File,

    /// <summary>The next piece of a file's contents. Payload: these bytes, at least one.</summary>
    Contents,

    /// <summary>A symbolic link begins. Payload: its target.</summary>
    SymbolicLink,

    /// <summary>The node that began last and has not ended, ends.</summary>
    End,
}
