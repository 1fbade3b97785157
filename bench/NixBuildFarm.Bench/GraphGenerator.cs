using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Bench;

/// <summary>
/// Makes graphs of nixpkgs's shape for those who have no real one: a bootstrap chain that everything waits for, then packages in layers,
/// each with its downloads and, now and then, a small local helper; durations lognormal with a heavy tail (μ 2.5, σ 1.8 in units of
/// 1/100 binutils, as fitted to the build times of T2 SDE). The same seed gives the same graph everywhere.
/// </summary>
internal static class GraphGenerator
{
    private const int BootstrapLength = 30;

    /// <summary>Makes a graph and its durations.</summary>
    /// <param name="count">How many jobs; at least 100.</param>
    /// <param name="systems">Platforms; each gets its share of the packages and its own bootstrap.</param>
    /// <param name="seed">Of the random numbers.</param>
    /// <param name="chains">Chains of large builds for each platform, as compilers and browsers make them.</param>
    public static (JobGraph Graph, GraphDurations Durations) Make(int count, IReadOnlyList<string> systems, int seed, int chains = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 100);
        var random = new Random(seed);
        var jobs = new List<Job>(count);
        var seconds = new List<double>(count);
        var packages = systems.Select(_ => new List<int>()).ToArray();
        for (var s = 0; s < systems.Count; s++)
        {
            for (var i = 0; i < BootstrapLength; i++) Package(s, i == 0 ? [] : [packages[s][^1]]);
        }
        while (jobs.Count < count)
        {
            var s = random.Next(systems.Count);
            // Most packages need little but the bootstrap and a few popular libraries, which are the early ones.
            var needs = new HashSet<int> { packages[s][BootstrapLength - 1] };
            for (var n = 1 + random.Next(8); n > 0; n--)
            {
                needs.Add(packages[s][(int)(packages[s].Count * Math.Pow(random.NextDouble(), 1.5))]);
            }
            Package(s, [.. needs]);
        }
        for (var chain = 0; chain < chains * systems.Count; chain++)
        {
            var s = chain % systems.Count;
            int[] needs = [packages[s][BootstrapLength - 1]];
            for (var n = 6 + random.Next(5); n > 0; n--)
            {
                Package(s, needs, 40 * Math.Pow(5, random.NextDouble()));
                needs = [packages[s][^1], packages[s][random.Next(packages[s].Count - 1)]];
            }
        }
        var used = new bool[jobs.Count];
        foreach (var job in jobs)
        {
            foreach (var dependency in job.Dependencies) used[dependency] = true;
        }
        var graph = new JobGraph(jobs.Select((job, i) => job with { IsRequested = !used[i] }).ToArray());
        return (graph, new GraphDurations(seconds, seconds.Select(t => (long)(t * 300_000 * (0.5 + random.NextDouble()))).ToArray()));

        void Package(int system, int[] needs, double? given = null)
        {
            var inputs = new List<int>(needs);
            for (var n = random.Next(3); n > 0 && jobs.Count < count - 1; n--)
            {
                inputs.Add(jobs.Count);
                Add(
                    new Job
                    {
                        Name = $"source-{jobs.Count}.tar.gz",
                        System = systems[system],
                        IsFixedOutput = true,
                        PreferLocal = random.Next(2) == 0,
                    },
                    0.8 + random.NextDouble());
            }
            var isSmall = given is null && random.Next(5) == 0;
            var time = given ?? (isSmall
                ? 0.3 + random.NextDouble()
                : 2 + 0.29 * Math.Exp(2.5 + 1.8 * Math.Min(3.5, NormalDistribution.Draw(random))));
            packages[system].Add(jobs.Count);
            Add(
                new Job
                {
                    Name = $"package-{jobs.Count}-1.0",
                    PackageName = $"package-{jobs.Count}",
                    System = systems[system],
                    PreferLocal = isSmall && random.Next(2) == 0,
                    EnableParallelBuilding = random.Next(2) == 0,
                    RequiredFeatures = time > 600 && random.Next(2) == 0 ? ["big-parallel"] : [],
                    Dependencies = inputs,
                },
                time);
        }

        void Add(Job job, double time)
        {
            jobs.Add(job);
            seconds.Add(Math.Round(time, 2));
        }
    }
}
