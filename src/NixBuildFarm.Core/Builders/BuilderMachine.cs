namespace NixBuildFarm.Builders;

/// <summary>
/// The machine of a builder. Nix does not report on it, so a shell script asks the system; null where that does not answer.
/// </summary>
public sealed record BuilderMachine
{
    /// <summary>
    /// The script, for a POSIX shell: constant, without single quotes and backslashes, so that every login shell passes it on unchanged.
    /// <c>nproc</c> respects the limits of the login; Linux has /proc, macOS and the BSDs have sysctl.
    /// </summary>
    public const string Question =
        FindPrograms
        + MachineReading.AskCores
        + "echo user $(id -u); "
        + MachineReading.AskLoad
        + MachineReading.AskMemory
        + MachineReading.AskStore
        + "exit 0";

    /// <summary>What scripts begin with: a login that gets no profile finds few programs.</summary>
    internal const string FindPrograms = "PATH=$PATH:/run/current-system/sw/bin:/usr/bin:/bin:/usr/sbin:/sbin; ";

    /// <summary>The cores that a login may use.</summary>
    public int? Cores { get; init; }

    /// <summary>Whether the login is root.</summary>
    public bool? IsRoot { get; init; }

    /// <summary>The main memory, in bytes.</summary>
    public long? Memory { get; init; }

    /// <summary>How many processes ran or wanted to, on the average of the last minute.</summary>
    public double? Load { get; init; }

    /// <summary>The size of the store's file system, in bytes.</summary>
    public long? StoreSize { get; init; }

    /// <summary>Free space of the store's file system, in bytes.</summary>
    public long? StoreFree { get; init; }

    /// <summary>As a first reading; null: it tells nothing that changes.</summary>
    internal MachineReading? Reading => Load is null && StoreFree is null
        ? null
        : new() { Cores = Cores, Memory = Memory, Load = Load, StoreSize = StoreSize, StoreFree = StoreFree };

    /// <summary>Reads an answer; lines that are not of it, such as a greeting, are passed over.</summary>
    internal static BuilderMachine Parse(string answer)
    {
        var reading = MachineReadingParser.Parse(answer);
        return new()
        {
            Cores = reading.Cores,
            IsRoot = reading.IsRoot,
            Memory = reading.Memory,
            Load = reading.Load,
            StoreSize = reading.StoreSize,
            StoreFree = reading.StoreFree,
        };
    }
}
