namespace NixBuildFarm.Evaluation;

/// <summary>What becomes of the lock file of a flake that has inputs which are not locked.</summary>
public enum LockFileMode
{
    /// <summary>They are locked, and the lock file is written: what Nix does.</summary>
    Update,

    /// <summary>They are locked for this evaluation, and the lock file stays as it is (<c>--no-write-lock-file</c>).</summary>
    Keep,

    /// <summary>It is an error (<c>--no-update-lock-file</c>).</summary>
    Fixed,
}
