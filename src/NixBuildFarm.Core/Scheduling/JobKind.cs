using System.Runtime.InteropServices;

namespace NixBuildFarm.Scheduling;

/// <summary>Jobs whose durations are guessed in the same way, and so may all be wrong by the same factor.</summary>
/// <param name="Guess">How.</param>
/// <param name="System">The platform that they build on.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct JobKind(GuessKind Guess, string System);

/// <summary>How the duration of a job is guessed.</summary>
internal enum GuessKind : byte
{
    /// <summary>It is known, or so short that it tells nothing of others: no factor is learnt of it.</summary>
    None,

    /// <summary>By the table of packages.</summary>
    Table,

    /// <summary>As one of a language that has its own way of building.</summary>
    Language,

    /// <summary>By <c>big-parallel</c>.</summary>
    Big,

    /// <summary>By <c>enableParallelBuilding</c> and its inputs.</summary>
    Parallel,

    /// <summary>By its inputs.</summary>
    Plain,
}
