namespace NixBuildFarm.Scheduling.Lending;

/// <summary>What the run shall do for shared builds now.</summary>
internal abstract record LendingDecision
{
    private LendingDecision()
    {
    }

    /// <summary>
    /// Bring the helper what the compiles of the build need, in the background. Answered by <see cref="LendingEvent.HelperReady"/> or
    /// <see cref="LendingEvent.HelperUnfit"/>.
    /// </summary>
    public sealed record Prepare(long Build, int Helper) : LendingDecision;

    /// <summary>Compile at home. Answered by <see cref="LendingEvent.CompileEnded"/>.</summary>
    public sealed record Home(long Compile) : LendingDecision;

    /// <summary>Compile on the helper. Answered by <see cref="LendingEvent.LoanEnded"/>. A compile is lent once at most.</summary>
    public sealed record Lend(long Compile, int Helper) : LendingDecision;

    /// <summary>Stop a compile on a helper: nobody waits for it any more. The place is free already; nothing answers it.</summary>
    public sealed record Recall(long Compile, int Helper) : LendingDecision;

    /// <summary>A build that <see cref="CompileLending.Claim"/> has held up may begin: what was lent of its slot is back.</summary>
    public sealed record Begin(int Job, int Builder) : LendingDecision;
}
