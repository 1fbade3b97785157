namespace NixBuildFarm.Builders;

/// <summary>A build of Nix that a machine runs now, whoever asked for it.</summary>
public sealed record MachineBuild
{
    /// <summary>The derivation's name, or that of its output; null where the machine does not tell.</summary>
    public string? Name { get; init; }

    /// <summary>The store path of the output <c>out</c>; null where the login may not see it.</summary>
    public string? Output { get; init; }

    /// <summary>Whether the run that asked has it built; null: no run has asked.</summary>
    public bool? IsOwn { get; init; }

    /// <summary>The number of the user that it runs as.</summary>
    public required uint User { get; init; }

    /// <summary>Resident memory of its processes together, in bytes; what they share counts for each of them.</summary>
    public required long Memory { get; init; }

    /// <summary>Processor time of its processes so far.</summary>
    public required TimeSpan ProcessorTime { get; init; }

    /// <summary>The name, or the user where that is not known.</summary>
    public override string ToString() => Name ?? $"of user {User}";
}
