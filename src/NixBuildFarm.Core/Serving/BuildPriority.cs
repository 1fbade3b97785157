namespace NixBuildFarm.Serving;

/// <summary>How urgent a request is among those of the same user. Requests of others do not mind it.</summary>
public enum BuildPriority
{
    /// <summary>What nobody waits for: it takes what is left.</summary>
    Low = -1,

    /// <summary>As everything.</summary>
    Normal = 0,

    /// <summary>It goes before the others.</summary>
    High = 1,
}
