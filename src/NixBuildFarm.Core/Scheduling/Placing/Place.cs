using System.Runtime.InteropServices;

namespace NixBuildFarm.Scheduling.Placing;

/// <summary>Where and when a job could run.</summary>
/// <param name="Builder">The builder; −1: none.</param>
/// <param name="Start">When it starts there: seconds since the run began.</param>
/// <param name="Finish">When it ends there.</param>
/// <param name="IsTooLate">No builder was taken, since every one that could take it now would end it after the deadline.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Place(int Builder, double Start, double Finish, bool IsTooLate = false)
{
    /// <summary>Whether the job has to wait there, for a slot or for memory.</summary>
    public bool Waits { get; init; }

    /// <summary>No builder was taken, and one might be, were it not for the memory or space that others have, or wait for.</summary>
    public bool LacksRoom { get; init; }

    /// <summary>No place; one that ends before a time is better.</summary>
    public static Place NoneBefore(double finish) => new(-1, 0, finish);

    /// <summary>No place; any other is better.</summary>
    public static Place None => NoneBefore(double.PositiveInfinity);

    /// <summary>Whether there is a builder.</summary>
    public bool Exists => Builder >= 0;
}
