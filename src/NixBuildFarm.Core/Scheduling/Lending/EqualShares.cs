namespace NixBuildFarm.Scheduling.Lending;

/// <summary>
/// Who has how many of the free places, where every shared build has more compiles than there are places: what <see cref="CompileLending"/>
/// comes to in the long run. What is free of each kind of builders is divided equally among the builds that they may help.
/// </summary>
internal static class EqualShares
{
    /// <summary>Divides.</summary>
    /// <param name="state">The builders.</param>
    /// <param name="helpers">Where compiles can be done, and how fast.</param>
    /// <param name="builds">The builds that share.</param>
    public static void Divide(SchedulingState state, HelperPlaces helpers, IReadOnlyList<Part> builds)
    {
        if (builds.Count == 0) return;
        foreach (var build in builds) (build.Loans, build.Places) = (0, 0);
        Span<int> free = helpers.Kinds <= 256 ? stackalloc int[helpers.Kinds] : new int[helpers.Kinds];
        free.Clear();
        for (var b = 0; b < state.Builders.Length; b++)
        {
            if (state.Builders[b].FreeSlots > 0) free[helpers.KindOf(b)] += FreePlaces(state, b);
        }
        for (var kind = 0; kind < free.Length; kind++)
        {
            if (free[kind] == 0) continue;
            var takers = 0;
            foreach (var build in builds)
            {
                if (build.Takes(state, helpers, kind)) takers++;
            }
            foreach (var build in builds)
            {
                if (!build.Takes(state, helpers, kind)) continue;
                var own = helpers.KindOf(build.Home) == kind ? FreePlaces(state, build.Home) : 0;
                var taken = Math.Min((double)(free[kind] - own) / takers, build.MostLoans - build.Loans);
                build.Loans += taken;
                build.Places += taken * helpers.SpeedOf(kind, state.Classes[build.Job], build.Home);
            }
        }
    }

    private static int FreePlaces(SchedulingState state, int b)
    {
        var builder = state.Builders[b];
        return LendingRules.Places(builder.Description, builder.FreeSlots, builder.FreeCores);
    }

    /// <summary>A build that shares, and its part.</summary>
    /// <param name="job">The job.</param>
    /// <param name="home">Its builder.</param>
    /// <param name="mostLoans">Compiles on helpers that it can have at a time.</param>
    public sealed class Part(int job, int home, int mostLoans)
    {
        public int Job => job;

        public int Home => home;

        public int MostLoans => mostLoans;

        /// <summary>Places that it has.</summary>
        public double Loans { get; set; }

        /// <summary>The same, each counted by its speed ÷ that of home.</summary>
        public double Places { get; set; }

        public bool Takes(SchedulingState state, HelperPlaces helpers, int kind) =>
            Loans < mostLoans && helpers.Helps(kind, state.Classes[job], home);
    }
}
