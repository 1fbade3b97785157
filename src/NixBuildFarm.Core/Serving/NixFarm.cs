namespace NixBuildFarm.Serving;

/// <summary>A farm that serves, as it is now.</summary>
public sealed class NixFarm
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>What clients give as <c>NIX_REMOTE</c>.</summary>
    public required string Address { get; init; }

    /// <summary>The process.</summary>
    public required int ProcessId { get; init; }

    /// <summary>Since when it serves.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>The names of its builders.</summary>
    public required IReadOnlyList<string> Builders { get; init; }

    /// <summary>How many Nix clients are connected.</summary>
    public int Clients { get; init; }

    /// <summary>The runs that go on.</summary>
    public IReadOnlyList<string> Runs { get; init; } = [];

    /// <summary>The file with what it has to say.</summary>
    public string? LogPath { get; init; }

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
