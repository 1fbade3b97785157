using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Bench;

/// <summary>A lognormal factor for each package: all its builds are wrong alike.</summary>
internal sealed class PackageFactors(int seed, double deviation)
{
    private readonly Random random = new(seed);
    private readonly Dictionary<string, double> factors = [];

    public double Of(Job job)
    {
        var package = PackagePriors.KeyOf(job);
        if (!factors.TryGetValue(package, out var factor))
        {
            factors.Add(package, factor = Math.Exp(deviation * NormalDistribution.Draw(random)));
        }
        return factor;
    }
}
