using System.Text.Json.Serialization;

namespace NixBuildFarm.Scheduling;

/// <summary>A derivation as the scheduler sees it. Jobs are known by their index in the <see cref="JobGraph"/>.</summary>
public sealed record Job
{
    /// <summary>The system of what Nix's own builders do.</summary>
    public const string Builtin = "builtin";

    /// <summary>The derivation's name without <c>.drv</c>, e.g. <c>gcc-14.3.0</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The attribute <c>pname</c>; null where the derivation has none.</summary>
    public string? PackageName { get; init; }

    /// <summary>The platform it builds on, e.g. <c>riscv64-linux</c>, or <c>builtin</c>.</summary>
    public required string System { get; init; }

    /// <summary><c>requiredSystemFeatures</c>.</summary>
    public IReadOnlyList<string> RequiredFeatures { get; init; } = [];

    /// <summary><c>preferLocalBuild</c>: so small that moving it costs more than building it.</summary>
    public bool PreferLocal { get; init; }

    /// <summary>Its output's hash is known beforehand: usually a download.</summary>
    public bool IsFixedOutput { get; init; }

    /// <summary>One of Nix's own builders (<c>builtin:fetchurl</c>), which every machine has.</summary>
    public bool IsBuiltin => System == Builtin;

    /// <summary><c>enableParallelBuilding</c>: more cores make it faster.</summary>
    public bool EnableParallelBuilding { get; init; }

    /// <summary>What its direct inputs tell of its build, those that are there already too; null: not known.</summary>
    [JsonInclude]
    internal BuildInputs? Inputs { get; init; }

    /// <summary>Indexes of the jobs whose outputs it needs.</summary>
    public IReadOnlyList<int> Dependencies { get; init; } = [];

    /// <summary>Whether the user asked for it, rather than something that depends on it.</summary>
    public bool IsRequested { get; init; }

    /// <summary>Larger goes first among the jobs of a user, whatever the ranks say; 0 for almost everything.</summary>
    public int Priority { get; init; }

    /// <summary>The users that want it, as numbers from 0 on; empty: there is one user only, 0.</summary>
    public IReadOnlyList<int> Users { get; init; } = [];

    /// <summary>
    /// Bytes of inputs that no job of the graph makes (sources, substituted paths) and that a builder may lack; 0 where unknown.
    /// </summary>
    public long ExternalInputBytes { get; init; }

    /// <summary>Memory that the derivation says it needs (<c>NIXBUILDNET_MIN_MEM</c>, in MB there), in bytes; 0: it does not say.</summary>
    public long StatedMemory { get; init; }

    /// <summary>Cores that the derivation says it needs (<c>NIXBUILDNET_MIN_CPU</c>); 0: it does not say.</summary>
    public int StatedCores { get; init; }

    /// <summary>
    /// Whether it stays on the local machine where that takes part and can build it: <c>builtin</c> and <c>preferLocalBuild</c>.
    /// </summary>
    public bool StaysLocal => PreferLocal || IsBuiltin;
}
