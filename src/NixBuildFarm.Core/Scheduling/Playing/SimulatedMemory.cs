namespace NixBuildFarm.Scheduling.Playing;

/// <summary>
/// The memory of the machines of a simulated run. A build has its peak from its beginning to its end. Where those that run have more than
/// the machine, the largest is killed.
/// </summary>
/// <param name="peaks">By job: the most memory that it has at a time, in bytes.</param>
/// <param name="farm">The builders as they are; may change.</param>
internal sealed class SimulatedMemory(IReadOnlyList<long> peaks, IReadOnlyList<FarmBuilder> farm)
{
    private readonly HashSet<(int Job, int Builder)> running = [];
    private readonly HashSet<(int Job, int Builder)> stalled = [];

    /// <summary>Builds that were killed.</summary>
    public int Killed { get; private set; }

    /// <summary>A build begins.</summary>
    /// <returns>The builds of its builder that are killed.</returns>
    public IReadOnlyList<int> Begin(int job, int builder)
    {
        running.Add((job, builder));
        var killed = new List<int>();
        while (JobsOn(builder).Sum(other => peaks[other]) > farm[builder].Memory)
        {
            var largest = JobsOn(builder).OrderByDescending(other => peaks[other]).ThenBy(other => other).First();
            running.Remove((largest, builder));
            killed.Add(largest);
        }
        Killed += killed.Count;
        return killed;
    }

    /// <summary>A build has ended, or was called off.</summary>
    public void End(int job, int builder)
    {
        running.Remove((job, builder));
        stalled.Remove((job, builder));
    }

    /// <summary>A build that was killed can be begun nowhere else: it has its slot until another build of its builder ends.</summary>
    public void Stall(int job, int builder) => stalled.Add((job, builder));

    /// <summary>Takes those that can be begun again away, since a build of this builder has ended or none runs.</summary>
    public IReadOnlyList<int> TakeStalled(int builder)
    {
        int[] freed = [.. stalled.Where(build => build.Builder == builder).Select(build => build.Job).Order()];
        stalled.RemoveWhere(build => build.Builder == builder);
        return freed;
    }

    /// <summary>Whether any build runs on a builder.</summary>
    public bool IsBusy(int builder) => running.Any(build => build.Builder == builder);

    private IEnumerable<int> JobsOn(int builder) => running.Where(build => build.Builder == builder).Select(build => build.Job);
}
