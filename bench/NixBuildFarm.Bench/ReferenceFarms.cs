using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Bench;

/// <summary>
/// The farms of the comparison: that of the article that began it, the same with a weak local machine, and 20 to 1,000 builders.
/// </summary>
internal static class ReferenceFarms
{
    private static readonly string[] AllFeatures = ["big-parallel", "kvm", "nixos-test", "benchmark"];

    public static readonly string[] Names = ["article", "article2", "N20", "N100", "N1000"];

    /// <summary>Makes a farm for the platforms of a graph. Large farms have one platform for each machine in turn.</summary>
    public static FarmBuilder[] Make(string name, JobGraph graph)
    {
        var systems = Enumerable.Range(0, graph.Count)
            .Select(j => graph[j].System)
            .Where(s => s != "builtin")
            .Distinct()
            .Order(StringComparer.Ordinal)
            .ToArray();
        return name switch
        {
            "article" => Article(systems, Machine("local", systems, 8, 1, true) with { IsLocal = true }),
            "article2" => Article(systems, Machine("local", systems, 2, 0.5, true) with { IsLocal = true }),
            _ => Large(int.Parse(name.AsSpan(1)), systems),
        };
    }

    private static FarmBuilder[] Article(string[] systems, FarmBuilder local) =>
        [local, Remote("aquamarine", systems, 3, 0.8, 50), Remote("ruby", systems, 2, 0.6, 50), Remote("kana", systems, 2, 0.5, 50)];

    private static FarmBuilder[] Large(int count, string[] systems)
    {
        // A machine of one architecture builds its 32-bit sister too.
        var architectures = systems.GroupBy(s => s == "i686-linux" ? "x86_64-linux" : s).Select(g => g.ToArray()).ToArray();
        double[] speeds = [1.5, 1, 1, 0.6];
        int[] slots = [4, 2, 2, 2];
        return
        [
            Machine("local", systems, 8, 1, true) with { IsLocal = true },
            .. Enumerable.Range(0, count).Select(k =>
                Remote($"b{k:d4}", architectures[k / 4 % architectures.Length], slots[k % 4], speeds[k % 4], 100, k % 2 == 0)),
        ];
    }

    private static FarmBuilder Remote(string name, string[] systems, int slots, double speed, double megabytes, bool features = true) =>
        Machine(name, systems, slots, speed, features) with { UploadBandwidth = megabytes * 1e6, DownloadBandwidth = megabytes * 1e6 };

    private static FarmBuilder Machine(string name, string[] systems, int slots, double speed, bool features) => new()
    {
        Name = name,
        Systems = systems.Select(s => new SystemSpeed(s, speed)).ToArray(),
        MaxJobs = slots,
        Cores = slots * Estimate.ReferenceCores,
        SupportedFeatures = features ? AllFeatures : [],
    };
}
