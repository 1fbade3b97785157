namespace NixBuildFarm.Bench.Farm;

/// <summary>What one run of a case came to.</summary>
internal sealed record FarmRun
{
    /// <summary>Whether everything was built.</summary>
    public required bool Succeeded { get; init; }

    /// <summary>From the command to its end, evaluation and connecting included.</summary>
    public required double Seconds { get; init; }

    /// <summary>Processor time of our own process; null: not known.</summary>
    public double? Processor { get; init; }

    /// <summary>Peak memory of our own process, in bytes; null: not known.</summary>
    public long? Memory { get; init; }

    /// <summary>Median time that a slot was idle between two builds; null: not known.</summary>
    public double? Idle { get; init; }

    /// <summary>Builds by builder; empty: not known.</summary>
    public IReadOnlyDictionary<string, int> Shares { get; init; } = new Dictionary<string, int>();

    /// <summary>Logins that the builders have accepted for it.</summary>
    public int Logins { get; init; }
}
