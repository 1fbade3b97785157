using System.Runtime.InteropServices;

namespace NixBuildFarm.Scheduling.Lending;

/// <summary>What is believed of the compiles of a build.</summary>
/// <param name="Share">The part of its duration on <see cref="Estimate.ReferenceCores"/> cores that passes in compiles that helpers can do;
/// 0: nothing is gained.</param>
/// <param name="Seconds">Processor seconds of one of them at speed 1.0, on the average.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct CompileEstimate(double Share, double Seconds);
