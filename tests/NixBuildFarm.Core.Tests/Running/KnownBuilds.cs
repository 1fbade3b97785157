using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A history that knows a few builds of some packages, all alike, and nothing else.</summary>
internal sealed class KnownBuilds(double seconds, params string[] packages) : NoHistory
{
    private const int Times = 5;

    public override IReadOnlyList<BuildObservation> Builds(IReadOnlySet<string> wanted) =>
    [
        .. packages.Where(wanted.Contains).SelectMany(package => Enumerable.Repeat(package, Times))
            .Select(package => new BuildObservation { Package = package, System = "x86_64-linux", Builder = "ruby", Seconds = seconds }),
    ];
}
