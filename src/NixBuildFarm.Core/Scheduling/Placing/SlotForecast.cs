namespace NixBuildFarm.Scheduling.Placing;

/// <summary>Forecasts when slots become free, and corrects that when a job is late.</summary>
internal sealed class SlotForecast(PlacingContext context)
{
    /// <summary>A job that is late is expected to take at least this part of its time so far.</summary>
    private const double LatePart = 0.03;

    private readonly SchedulingState state = context.State;

    /// <summary>The build itself begins: the forecast of its end is counted from here.</summary>
    public void Begin(int job, int builder, double now)
    {
        var slot = state.Builders[builder].IndexOf(job);
        state.Begin(builder, slot, now, now + state.Estimates[job].Seconds * Factor(job, builder, slot) / state.SpeedOf(builder, job));
    }

    /// <summary>More is known of a job.</summary>
    public void EstimateChanged(int job, double now)
    {
        if (state.StateOf(job) != JobState.Running) return;
        for (var b = 0; b < state.Builders.Length; b++)
        {
            var slot = state.Builders[b].IndexOf(job);
            if (slot >= 0) Update(b, slot, now);
        }
    }

    /// <summary>The builder of a group that is free first, the forecast of late jobs corrected.</summary>
    public int FirstOf(int group, double now)
    {
        while (true)
        {
            var earliest = state.Groups.FirstOf(group);
            var builder = state.Builders[earliest];
            if (builder.FreeSlots > 0 || builder.Key > now || builder.Slots.Length == 0) return earliest;
            Update(earliest, builder.EarliestSlot(), now);
        }
    }

    /// <summary>Corrects the forecast of the late jobs of a builder.</summary>
    public void UpdateLate(int builder, double now)
    {
        for (var slot = 0; slot < state.Builders[builder].Slots.Length; slot++)
        {
            if (state.Builders[builder].Slots[slot] is { Job: >= 0 } entry && entry.FreeAt <= now) Update(builder, slot, now);
        }
    }

    private void Update(int builder, int slot, double now)
    {
        var entry = state.Builders[builder].Slots[slot];
        var scale = Factor(entry.Job, builder, slot) / state.SpeedOf(builder, entry.Job);
        var elapsed = now - entry.StartedAt;
        var expected = state.Estimates[entry.Job].ExpectedSeconds(Math.Max(0, elapsed) / scale) * scale;
        state.SetFreeAt(builder, slot, Math.Max(entry.StartedAt + expected, now + Math.Max(PlacingContext.LeastDelay, LatePart * elapsed)));
    }

    private double Factor(int job, int builder, int slot) => context.Factor(job, builder, state.Builders[builder].Slots[slot].Cores);
}
