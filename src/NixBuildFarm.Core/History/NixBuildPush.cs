namespace NixBuildFarm.History;

/// <summary>How far a push is.</summary>
public enum PushState
{
    /// <summary>It waits, or goes on; or the run was stopped before it ended.</summary>
    Pending,

    /// <summary>The store has the outputs.</summary>
    Pushed,

    /// <summary>The store does not have them.</summary>
    Failed,
}

/// <summary>
/// The outputs of a derivation on their way to another store. It goes on after the derivation has ended, until the run has.
/// </summary>
public sealed class NixBuildPush
{
    private PushState state;
    private string? error;

    /// <summary>The store: its URI without a password, or the name of a machine.</summary>
    public required string Store { get; init; }

    /// <summary>How far it is.</summary>
    public PushState State
    {
        get => state;
        init => state = value;
    }

    /// <summary>Why the store does not have the outputs; null: nothing has failed for good.</summary>
    public string? Error
    {
        get => error;
        init => error = value;
    }

    /// <summary>It is that far now.</summary>
    internal void Become(PushState now, string? why = null) => (state, error) = (now, why);

    /// <summary>Store and state.</summary>
    public override string ToString() => $"{Store}: {State}";
}
