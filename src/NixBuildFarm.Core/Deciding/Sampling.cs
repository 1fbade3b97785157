using NixBuildFarm.Builders;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Takes from what machines tell how much memory and processor time the builds of the run take. A build that ends between two readings is
/// not seen.
/// </summary>
internal sealed class Sampling(RunFacts facts, Attempts attempts)
{
    /// <summary>A machine has told what it has.</summary>
    public void Take(RunEvent.MachineRead read)
    {
        if (facts.IndexOf(read.On) < 0 && read.On != facts.Local) return;
        if (read.Reading is not { } reading)
        {
            facts.Know(read.On, null);
            return;
        }
        Attempt[] here = [.. attempts.BuildingOn(read.On)];
        var own = new HashSet<MachineBuild>(ReferenceEqualityComparer.Instance);
        foreach (var attempt in here)
        {
            if (Find(attempt, here, reading.Builds) is not { } build) continue;
            own.Add(build);
            attempt.PeakMemory = Math.Max(attempt.PeakMemory ?? 0, build.Memory);
            (attempt.Memory, attempt.ProcessorTime, attempt.SeenAt) = (build.Memory, build.ProcessorTime, facts.Now);
        }
        facts.Know(read.On, reading with { Builds = [.. reading.Builds.Select(build => build with { IsOwn = own.Contains(build) })] });
    }

    /// <summary>
    /// What was seen of a build that has ended, where the builder does not tell better. After the last reading it is taken to have gone on
    /// as before.
    /// </summary>
    public BuildOutcome Complete(Attempt attempt, BuildOutcome outcome)
    {
        if (outcome.WasAtHome || attempt is not { ProcessorTime: { } time, BuildBegun: { } begun }) return outcome;
        var seen = facts.Started.AddSeconds(attempt.SeenAt) - begun;
        var share = seen > TimeSpan.Zero ? Math.Max(1, (outcome.Ended - begun) / seen) : 1;
        return outcome with
        {
            PeakMemory = outcome.PeakMemory ?? attempt.PeakMemory, ProcessorTime = outcome.ProcessorTime ?? time * share,
        };
    }

    /// <summary>The build of an attempt among those that go on at its machine: by its output, else by a name that no other has.</summary>
    private static MachineBuild? Find(Attempt attempt, Attempt[] here, IReadOnlyList<MachineBuild> builds)
    {
        var outputs = attempt.Job.Outputs.Select(path => path.ToString()).ToHashSet();
        if (builds.FirstOrDefault(build => build.Output is { } output && outputs.Contains(output)) is { } known) return known;
        // With another output it is another build.
        var areKnown = attempt.Job.Derivation.AreOutputPathsKnown;
        return here.Count(other => other.Job.Name == attempt.Job.Name) == 1
            && builds.Where(build => build.Name == attempt.Job.Name && !(build.Output is not null && areKnown)).ToArray() is [var only]
            ? only
            : null;
    }
}
