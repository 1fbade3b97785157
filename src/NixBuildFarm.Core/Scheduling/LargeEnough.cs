using System.Globalization;

namespace NixBuildFarm.Scheduling;

/// <summary>Which of the builders that may take a job have the cores and the memory for it.</summary>
internal static class LargeEnough
{
    /// <summary>Machines whose memory differs by no more than this part of it are alike.</summary>
    private const int Alike = 8;

    /// <summary>Whether a builder has as many cores as the derivation asks for, or does not tell how many it has.</summary>
    public static bool HasCores(FarmBuilder builder, Job job) => builder.Cores == 0 || builder.MostCores >= job.StatedCores;

    /// <summary>The memory of a job on a builder, in bytes: as it is stated or ruled, else as it is estimated.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="job">The job.</param>
    /// <param name="estimated">What is expected of the job; a rule of the builder replaces it.</param>
    public static long NeedOn(FarmBuilder builder, Job job, long estimated) =>
        Math.Max(job.StatedMemory, builder.RuledMemory(job.Name) ?? estimated);

    /// <summary>
    /// Leaves the builders that have the cores, then those that have the memory. Where none has the cores, all stay; where none has the
    /// memory, those that have most of it. Builders that are out for long count only where there are no others.
    /// </summary>
    /// <param name="may">By builder: whether it may take the job. Changed.</param>
    /// <param name="builderAt">The builders, by index.</param>
    /// <param name="job">The job.</param>
    /// <param name="expected">Bytes that are kept for it; null: memory does not count.</param>
    /// <param name="isOut">Whether a builder takes no builds for long, and none of the run is there; null: none is.</param>
    public static void Keep(bool[] may, Func<int, FarmBuilder> builderAt, Job job, long? expected, Func<int, bool>? isOut = null)
    {
        if (job.StatedCores > 0) KeepWhere(may, b => HasCores(builderAt(b), job), isOut);
        if (expected is not { } need) return;
        if (KeepWhere(may, b => builderAt(b) is var builder && !(NeedOn(builder, job, need) > builder.UsableMemory), isOut)) return;
        var most = 0L;
        var takesAny = Takes(may, isOut);
        for (var b = 0; b < may.Length; b++)
        {
            if (may[b] && !(takesAny && isOut!(b))) most = Math.Max(most, builderAt(b).UsableMemory ?? 0);
        }
        // What others have differs a little from machine to machine, and would leave one of many alike.
        KeepWhere(may, b => builderAt(b).UsableMemory >= most - most / Alike, isOut);
    }

    /// <summary>What keeps a job from a builder where others are large enough, with what is known of both.</summary>
    public static string Shortage(FarmBuilder builder, Job job, long expected) => !HasCores(builder, job)
        ? $"it has {builder.MostCores} cores, and the derivation asks for {job.StatedCores}"
        : builder.UsableMemory is { } usable && NeedOn(builder, job, expected) is var need && need > usable
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"it has {usable / 1e9:0.#} GB of memory for builds, and this one is expected to need {need / 1e9:0.#} GB")
            : "another builder is larger";

    /// <summary>Leaves those that fulfil a condition, if any does; if any takes builds, one of those.</summary>
    /// <returns>Whether any does.</returns>
    private static bool KeepWhere(bool[] may, Func<int, bool> condition, Func<int, bool>? isOut)
    {
        var kept = new bool[may.Length];
        for (var b = 0; b < may.Length; b++) kept[b] = may[b] && condition(b);
        if (Array.IndexOf(kept, true) < 0 || (Takes(may, isOut) && !Takes(kept, isOut))) return false;
        kept.CopyTo(may, 0);
        return true;
    }

    /// <summary>Whether any of these takes builds, where that is asked.</summary>
    private static bool Takes(bool[] may, Func<int, bool>? isOut)
    {
        for (var b = 0; b < may.Length && isOut is not null; b++)
        {
            if (may[b] && !isOut(b)) return true;
        }
        return false;
    }
}
