using System.IO.Enumeration;

namespace NixBuildFarm.Scheduling;

/// <summary>How fast a builder is for one platform: an emulated one is slower than the native one.</summary>
/// <param name="System">The platform, e.g. <c>x86_64-linux</c>.</param>
/// <param name="Speed">Divides the reference duration of a job; above 0.</param>
public readonly record struct SystemSpeed(string System, double Speed)
{
    /// <summary>Whether the machine is known to run it by emulation.</summary>
    public bool IsEmulated { get; init; }
}

/// <summary>What the user says of the memory that some builds need.</summary>
/// <param name="Pattern">A wildcard (<c>*</c>, <c>?</c>) for the name of the job.</param>
/// <param name="Bytes">What they need.</param>
public readonly record struct MemoryRule(string Pattern, long Bytes);

/// <summary>A builder as the scheduler sees it. Builders are known by their index in the scheduler's list.</summary>
public sealed record FarmBuilder
{
    /// <summary>What the user calls it.</summary>
    public required string Name { get; init; }

    /// <summary>Whether this is the machine that the run is started on, where finished outputs go.</summary>
    public bool IsLocal { get; init; }

    /// <summary>Platforms it builds, with the speed of each. <c>builtin</c> needs no mention: it runs at the speed of the first.</summary>
    public required IReadOnlyList<SystemSpeed> Systems { get; init; }

    /// <summary>Builds at a time; 0: none.</summary>
    public int MaxJobs { get; init; } = 1;

    /// <summary>Cores that builds may use in all; 0 where unknown: then each build has <see cref="Estimate.ReferenceCores"/>.</summary>
    public int Cores { get; init; }

    /// <summary>The memory of its machine in bytes; null where unknown.</summary>
    public long? Memory { get; init; }

    /// <summary>Policy: bytes of it that builds leave to others.</summary>
    public long ReservedMemory { get; init; }

    /// <summary>Bytes of it that others than builds of the run have at the moment; what is reserved is there for them.</summary>
    public long OthersMemory { get; init; }

    /// <summary>The memory that builds may have in all, in bytes; null where unknown: then it is not counted.</summary>
    public long? UsableMemory => Memory is { } all ? Math.Max(0, all - Math.Max(ReservedMemory, OthersMemory)) : null;

    /// <summary>Policy: what builds need here, whatever was learnt of them. Where several match, the largest counts.</summary>
    public IReadOnlyList<MemoryRule> MemoryRules { get; init; } = [];

    /// <summary>What it can do beyond plain builds.</summary>
    public IReadOnlyList<string> SupportedFeatures { get; init; } = [];

    /// <summary>It takes only jobs that require all of these.</summary>
    public IReadOnlyList<string> MandatoryFeatures { get; init; } = [];

    /// <summary>Bytes per second that it can send; infinite where unknown.</summary>
    public double UploadBandwidth { get; init; } = double.PositiveInfinity;

    /// <summary>Bytes per second that it can receive; infinite where unknown.</summary>
    public double DownloadBandwidth { get; init; } = double.PositiveInfinity;

    /// <summary>Whether the run may use it at all.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Policy: whether slots of it that are free do compiles of builds of other builders.</summary>
    public bool Helps { get; init; } = true;

    /// <summary>Policy: whether other builders do compiles of its builds.</summary>
    public bool IsHelped { get; init; } = true;

    /// <summary>Policy: it takes only jobs whose name matches one of these wildcards (<c>*</c>, <c>?</c>); empty: all.</summary>
    public IReadOnlyList<string> Match { get; init; } = [];

    /// <summary>Policy: it takes no job whose name matches one of these wildcards.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>
    /// Where one machine has several entries, each with its own systems, features and policy: it takes what one of them takes, on slots
    /// that they share. Empty: it is as it stands here.
    /// </summary>
    public IReadOnlyList<FarmBuilder> Entries { get; init; } = [];

    /// <summary>
    /// The cores that can be given to builds: those of the machine, or, where they are unknown, taken from its number of jobs.
    /// Whoever configures more jobs than cores wants cores to be shared, and each job counts as one.
    /// </summary>
    public int TotalCores => Cores > 0 ? Math.Max(Cores, MaxJobs) : MaxJobs * Estimate.ReferenceCores;

    /// <summary>The most cores that a single build can use.</summary>
    public int MostCores => Cores > 0 ? Cores : TotalCores;

    /// <summary>What the policy says that a job needs here, in bytes; null: nothing.</summary>
    public long? RuledMemory(string name)
    {
        long? most = null;
        foreach (var rule in MemoryRules)
        {
            if (FileSystemName.MatchesSimpleExpression(rule.Pattern, name) && !(most >= rule.Bytes)) most = rule.Bytes;
        }
        return most;
    }

    /// <summary>The speed for a platform; 0 where it does not build it.</summary>
    public double SpeedOf(string system)
    {
        foreach (var entry in Systems)
        {
            if (entry.System == system) return entry.Speed;
        }
        return system == "builtin" ? (Systems.Count > 0 ? Systems[0].Speed : 1) : 0;
    }
}
