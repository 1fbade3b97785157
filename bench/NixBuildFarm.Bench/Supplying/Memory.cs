namespace NixBuildFarm.Bench.Supplying;

/// <summary>The memory of this process.</summary>
internal static class Memory
{
    /// <summary>Forgets the peak so far [proc(5), clear_refs].</summary>
    public static void ResetPeak()
    {
        GC.Collect();
        File.WriteAllText("/proc/self/clear_refs", "5");
    }

    /// <summary>The peak since it was reset, in MB.</summary>
    public static double PeakMegabytes
    {
        get
        {
            var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
            return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], null) / 1000.0;
        }
    }
}
