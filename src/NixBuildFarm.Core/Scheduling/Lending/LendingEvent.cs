namespace NixBuildFarm.Scheduling.Lending;

/// <summary>
/// Something that has happened to a shared build. What tells of a loan, a compile or a build that is over has no effect, so that answers
/// may come late.
/// </summary>
/// <param name="At">When: seconds since the run began.</param>
internal abstract record LendingEvent(double At)
{
    /// <summary>A build begins whose compiles may be done elsewhere.</summary>
    /// <param name="At">When.</param>
    /// <param name="Build">A number that no other build of the run has had.</param>
    /// <param name="Job">The job that is built; it runs on <paramref name="Home"/>.</param>
    /// <param name="Home">Its builder.</param>
    /// <param name="HomePlaces">Compiles at a time at home: the cores that the build has without sharing.</param>
    /// <param name="Cores">The cores that Nix was told: what the build has beyond those at home, helpers can compile.</param>
    public sealed record BuildOpened(double At, long Build, int Job, int Home, int HomePlaces, int Cores) : LendingEvent(At);

    /// <summary>A helper has all that the compiles of a build need.</summary>
    public sealed record HelperReady(double At, long Build, int Helper) : LendingEvent(At);

    /// <summary>A helper cannot do the compiles of a build.</summary>
    public sealed record HelperUnfit(double At, long Build, int Helper) : LendingEvent(At);

    /// <summary>A compile asks where it shall be done.</summary>
    /// <param name="At">When.</param>
    /// <param name="Build">Of which build.</param>
    /// <param name="Compile">A number that no other compile of the run has had.</param>
    /// <param name="MayLeave">Whether a helper may do it.</param>
    public sealed record CompileAsked(double At, long Build, long Compile, bool MayLeave = true) : LendingEvent(At);

    /// <summary>A compile on a helper has ended: the place there is free.</summary>
    public sealed record LoanEnded(double At, long Compile, int Helper, LoanEnd End) : LendingEvent(At);

    /// <summary>A compile at home has ended; or its shim is gone, wherever the compile was.</summary>
    public sealed record CompileEnded(double At, long Compile) : LendingEvent(At);

    /// <summary>A build has ended, however.</summary>
    public sealed record BuildClosed(double At, long Build) : LendingEvent(At);
}
