namespace NixBuildFarm.Scheduling;

/// <summary>Forecasts when the inputs of jobs are at builders, and remembers which are on their way.</summary>
internal sealed class InputTransfers
{
    private const int Nowhere = -1;

    private readonly SchedulingState state;
    private int[] targets;
    private double[] arrivals;
    private double[] downlinkFree;

    public InputTransfers(SchedulingState state, int builders)
    {
        this.state = state;
        targets = new int[state.Graph.Count];
        Array.Fill(targets, Nowhere);
        arrivals = new double[state.Graph.Count];
        downlinkFree = new double[builders];
    }

    private InputTransfers(InputTransfers other, SchedulingState copy)
    {
        state = copy;
        targets = (int[])other.targets.Clone();
        arrivals = (double[])other.arrivals.Clone();
        downlinkFree = (double[])other.downlinkFree.Clone();
    }

    public InputTransfers Clone(SchedulingState copy) => new(this, copy);

    /// <summary>The builder that the inputs of a ready or starting job are on their way to, or −1.</summary>
    public int TargetOf(int job) => targets[job];

    /// <summary>When all that is on its way to a builder should have arrived.</summary>
    public double DownlinkFree(int builder) => downlinkFree[builder];

    /// <summary>When all inputs of a job can be at a builder.</summary>
    public double InputsAt(int job, int b, double now)
    {
        if (targets[job] == b) return arrivals[job];
        var bandwidth = state.Builders[b].Description.DownloadBandwidth;
        var seconds = double.IsInfinity(bandwidth) ? 0 : state.Graph[job].ExternalInputBytes / bandwidth;
        foreach (var dependency in state.Graph.DependenciesOf(job))
        {
            if (state.Locations.Has(dependency, b)) continue;
            var maker = state.MadeOn(dependency);
            var slower = maker < 0 ? bandwidth : Math.Min(bandwidth, state.Builders[maker].Description.UploadBandwidth);
            if (!double.IsInfinity(slower)) seconds += state.OutputBytes(dependency) / slower;
        }
        return seconds == 0 ? now : Math.Max(now, downlinkFree[b]) + seconds;
    }

    /// <summary>The inputs of a job set out for a builder.</summary>
    public void Book(int job, int b, double now)
    {
        if (targets[job] == b) return;
        var at = InputsAt(job, b, now);
        targets[job] = b;
        arrivals[job] = at;
        if (at > now) downlinkFree[b] = at;
    }

    /// <summary>The inputs of a job are at a builder.</summary>
    public void Arrived(int job, int builder, double now)
    {
        if (targets[job] == builder) arrivals[job] = now;
    }

    /// <summary>The job starts elsewhere, or not yet.</summary>
    public void Forget(int job) => targets[job] = Nowhere;

    /// <summary>Makes room for more jobs.</summary>
    public void GrowJobs(int count)
    {
        GrowingArray.Grow(ref targets, count, Nowhere);
        GrowingArray.Grow(ref arrivals, count, 0);
    }

    /// <summary>Makes room for another builder.</summary>
    public void Grow(int builders) => Array.Resize(ref downlinkFree, builders);
}
