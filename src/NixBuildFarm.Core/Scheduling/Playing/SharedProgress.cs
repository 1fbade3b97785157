using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling.Playing;

/// <summary>
/// The builds of a simulated run that share their compiles. Each goes on at the rate that the places allow which are free at the moment;
/// compiles are many and small, so that places change hands at once.
/// </summary>
/// <param name="scheduler">Decides on the run.</param>
/// <param name="compiles">By job: what others can do of it.</param>
/// <param name="serialParts">By job: its <see cref="Estimate.SerialPart"/>; null: all have the typical one.</param>
/// <param name="farm">The builders as they are, whatever the scheduler believes of them; may change.</param>
internal sealed class SharedProgress(
    Scheduler scheduler, IReadOnlyList<CompileEstimate> compiles, IReadOnlyList<double>? serialParts, IReadOnlyList<FarmBuilder> farm)
{
    private readonly LendingRules rules = new(scheduler.State, scheduler.Options);
    private readonly List<Build> builds = [];
    private readonly List<EqualShares.Part> parts = [];
    private HelperPlaces? believed;
    private HelperPlaces? places;

    /// <summary>When the first of them ends if nothing else happens; null: there is none.</summary>
    public double? Due { get; private set; }

    /// <summary>Whether a build shares.</summary>
    public bool MayShare(int job, int builder) => rules.MayBeHelped(job, builder);

    /// <summary>A build begins. <see cref="Update"/> says how it goes on.</summary>
    /// <param name="job">The job.</param>
    /// <param name="builder">Its builder.</param>
    /// <param name="cores">Its cores there.</param>
    /// <param name="alone">Seconds that it would take without help.</param>
    /// <param name="now">The time.</param>
    public void Begin(int job, int builder, int cores, double alone, double now)
    {
        Remove(job, builder);
        var part = new EqualShares.Part(job, builder, rules.CoresToTell(job, builder, cores) - cores);
        parts.Add(part);
        builds.Add(new Build(part, cores, alone, now));
    }

    /// <summary>A build has been called off.</summary>
    public void Remove(int job, int builder)
    {
        var index = parts.FindIndex(part => part.Job == job && part.Home == builder);
        if (index < 0) return;
        parts.RemoveAt(index);
        builds.RemoveAt(index);
    }

    /// <summary>Takes the build that is due away.</summary>
    public (int Job, int Builder) TakeDue()
    {
        var first = builds.MinBy(build => build.Due)!;
        Remove(first.Part.Job, first.Part.Home);
        Due = builds.Count == 0 ? null : builds.Min(build => build.Due);
        return (first.Part.Job, first.Part.Home);
    }

    /// <summary>Jobs have come or gone: what is free has changed.</summary>
    public void Update(double now)
    {
        if (parts.Count > 0) EqualShares.Divide(scheduler.State, Places(), parts);
        Due = null;
        foreach (var build in builds)
        {
            if (build.RateOf != build.Part.Places)
            {
                var coresCount = scheduler.Options.Moldable && scheduler.Graph[build.Part.Job].EnableParallelBuilding;
                build.GoOn(now);
                var serialPart = serialParts?[build.Part.Job] ?? Estimate.TypicalSerialPart;
                build.Rate = 1 / SharedDuration.Factor(compiles[build.Part.Job], coresCount, build.Cores, build.Part.Places, serialPart);
                build.RateOf = build.Part.Places;
            }
            if (!(Due <= build.Due)) Due = build.Due;
        }
    }

    /// <summary>Made anew whenever the scheduler makes its own anew, since the farm has changed then, or what is believed of it.</summary>
    private HelperPlaces Places()
    {
        var state = scheduler.State;
        if (places is not null && ReferenceEquals(believed, state.HelperPlaces)) return places;
        believed = state.HelperPlaces;
        return places = new HelperPlaces(
            state.Graph, state.Classes, farm, b => state.Builders[b].Status == BuilderStatus.Online, state.Groups.Eligible);
    }

    private sealed class Build(EqualShares.Part part, int cores, double alone, double now)
    {
        private double left = alone;
        private double since = now;

        public EqualShares.Part Part => part;

        public int Cores => cores;

        /// <summary>Seconds without help that are done in a second.</summary>
        public double Rate { get; set; } = 1;

        /// <summary>The places that the rate comes of.</summary>
        public double RateOf { get; set; }

        public double Due => since + left / Rate;

        public void GoOn(double to)
        {
            left = Math.Max(0, left - (to - since) * Rate);
            since = to;
        }
    }
}
