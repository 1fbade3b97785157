using NixBuildFarm.Builders;

namespace NixBuildFarm.Testing;

/// <summary>What the machine of a builder has now, and what it does; null where it does not tell.</summary>
public sealed class NixBuilderReading
{
    /// <summary>Makes a reading without any values, which are set afterwards.</summary>
    public NixBuilderReading()
    {
    }

    internal NixBuilderReading(NixBuilder builder, MachineReading reading)
    {
        (Builder, Cores, Load) = (builder, reading.Cores, reading.Load);
        (Memory, MemoryAvailable) = (reading.Memory, reading.MemoryAvailable);
        (CpuPressure, MemoryPressure, IoPressure) = (reading.CpuPressure, reading.MemoryPressure, reading.IoPressure);
        (StoreSize, StoreFree, BuildFree, Builds) = (reading.StoreSize, reading.StoreFree, reading.BuildFree, reading.Builds);
    }

    /// <summary>The builder.</summary>
    public NixBuilder? Builder { get; init; }

    /// <summary>Its name.</summary>
    public string Name => Builder?.Name ?? "";

    /// <inheritdoc cref="MachineReading.Cores"/>
    public int? Cores { get; init; }

    /// <inheritdoc cref="MachineReading.Load"/>
    public double? Load { get; init; }

    /// <inheritdoc cref="MachineReading.Memory"/>
    public long? Memory { get; init; }

    /// <inheritdoc cref="MachineReading.MemoryAvailable"/>
    public long? MemoryAvailable { get; init; }

    /// <inheritdoc cref="MachineReading.CpuPressure"/>
    public double? CpuPressure { get; init; }

    /// <inheritdoc cref="MachineReading.MemoryPressure"/>
    public double? MemoryPressure { get; init; }

    /// <inheritdoc cref="MachineReading.IoPressure"/>
    public double? IoPressure { get; init; }

    /// <inheritdoc cref="MachineReading.StoreSize"/>
    public long? StoreSize { get; init; }

    /// <inheritdoc cref="MachineReading.StoreFree"/>
    public long? StoreFree { get; init; }

    /// <inheritdoc cref="MachineReading.BuildFree"/>
    public long? BuildFree { get; init; }

    /// <inheritdoc cref="MachineReading.Builds"/>
    public IReadOnlyList<MachineBuild> Builds { get; init; } = [];

    /// <summary>
    /// How many builds go on beyond the slots that are held: at least so many are of others than runs of this module. A slot may be held
    /// without a build, while inputs are sent.
    /// </summary>
    public int OtherBuilds => Math.Max(0, Builds.Count - SlotHolders.Count);

    /// <summary>Who holds its slots, of those who take them as builds of this module do.</summary>
    public IReadOnlyList<SlotHolder> SlotHolders { get; init; } = [];

    /// <summary>The builder's name.</summary>
    public override string ToString() => Name;
}
