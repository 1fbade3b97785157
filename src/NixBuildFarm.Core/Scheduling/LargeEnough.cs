namespace NixBuildFarm.Scheduling;

/// <summary>Which of the builders that may take a job have the cores and the memory for it.</summary>
internal static class LargeEnough
{
    /// <summary>Whether a builder has as many cores as the derivation asks for, or does not tell how many it has.</summary>
    public static bool HasCores(FarmBuilder builder, Job job) => builder.Cores == 0 || builder.MostCores >= job.StatedCores;

    /// <summary>The memory to keep for a job on a builder, in bytes.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="job">The job.</param>
    /// <param name="estimated">What is expected of the job; a rule of the builder replaces it.</param>
    public static long NeedOn(FarmBuilder builder, Job job, long estimated) =>
        Math.Max(job.StatedMemory, builder.RuledMemory(job.Name) ?? estimated);

    /// <summary>
    /// Leaves the builders that have the cores, then those that have the memory. Where none has the cores, all stay; where none has the
    /// memory, those that have most of it.
    /// </summary>
    /// <param name="may">By builder: whether it may take the job. Changed.</param>
    /// <param name="builderAt">The builders, by index.</param>
    /// <param name="job">The job.</param>
    /// <param name="estimated">Bytes that are expected of it; null: memory does not count.</param>
    public static void Keep(bool[] may, Func<int, FarmBuilder> builderAt, Job job, long? estimated)
    {
        if (job.StatedCores > 0) KeepWhere(may, b => HasCores(builderAt(b), job));
        if (estimated is not { } need) return;
        if (KeepWhere(may, b => builderAt(b) is var builder && !(NeedOn(builder, job, need) > builder.UsableMemory))) return;
        var most = 0L;
        for (var b = 0; b < may.Length; b++)
        {
            if (may[b]) most = Math.Max(most, builderAt(b).UsableMemory ?? 0);
        }
        KeepWhere(may, b => builderAt(b).UsableMemory == most);
    }

    /// <summary>Leaves those that fulfil a condition, if any does.</summary>
    /// <returns>Whether any does.</returns>
    private static bool KeepWhere(bool[] may, Func<int, bool> condition)
    {
        var kept = new bool[may.Length];
        for (var b = 0; b < may.Length; b++) kept[b] = may[b] && condition(b);
        if (Array.IndexOf(kept, true) < 0) return false;
        kept.CopyTo(may, 0);
        return true;
    }
}
