namespace NixBuildFarm.Protocol;

/// <summary>Nix's levels of messages; a higher one includes all lower ones.</summary>
internal enum Verbosity
{
    /// <summary>Errors only.</summary>
    Error = 0,

    /// <summary>Warnings.</summary>
    Warn = 1,

    /// <summary>Notices.</summary>
    Notice = 2,

    /// <summary>Builds and copies: Nix's default.</summary>
    Info = 3,

    /// <summary>More of it.</summary>
    Talkative = 4,

    /// <summary>Much of it.</summary>
    Chatty = 5,

    /// <summary>For the authors of Nix.</summary>
    Debug = 6,

    /// <summary>Everything.</summary>
    Vomit = 7,
}
