using NixBuildFarm.Builders;

namespace NixBuildFarm.Deciding;

/// <summary>
/// A builder as decisions know it, from one connection to the loss of it. A builder that comes back is another one of these, with the same
/// name and the next generation; the scheduler's index stays.
/// </summary>
/// <param name="builder">The builder, with the cores of its machine where it tells.</param>
/// <param name="generation">How often it had been connected before in this run.</param>
/// <param name="memory">The memory of its machine, in bytes; null where it does not tell.</param>
/// <param name="system">The system of its machine; null where it does not tell.</param>
/// <param name="nixVersion">The version of its Nix; null where it does not tell.</param>
internal sealed class RunBuilder(
    NixBuilder builder, int generation = 0, long? memory = null, string? system = null, string? nixVersion = null)
{
    /// <summary>The builder.</summary>
    public NixBuilder Builder => builder;

    /// <summary>Its name.</summary>
    public string Name => builder.Name;

    /// <summary>Whether this machine is meant.</summary>
    public bool IsLocal => builder.IsLocal;

    /// <summary>How often it had been connected before in this run.</summary>
    public int Generation => generation;

    /// <summary>The memory of its machine, in bytes; null where it does not tell.</summary>
    public long? Memory => memory;

    /// <summary>The version of its Nix; null where it does not tell.</summary>
    public string? NixVersion => nixVersion;

    /// <summary>What its machine told as it was connected; null: nothing that changes.</summary>
    public MachineReading? FirstReading { get; init; }

    /// <summary>
    /// The load that earlier builds of this user had left on its machine as it was connected; null: all of the load that was there.
    /// </summary>
    public double? LeftLoad { get; init; }

    /// <summary>Whether its machine is known to run programs of a system by emulation.</summary>
    public bool Emulates(string other) => system is not null && !Processors.RunsItself(system, other);

    /// <summary>Whether it was lost because it left a question unanswered, although its connections lived.</summary>
    public bool WasGivenUp { get; set; }

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
