using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>
/// Compares two runs. A derivation of one is found in the other by its path, else by its name, else by its package: a change of anything
/// below changes the path, and a new version the name. A name or a package tells nothing where several are left that have it, as with
/// <c>source</c>: then these are new and gone.
/// </summary>
public static class RunComparison
{
    // What differs by less says more of the machine than of the build.
    private const double LeastSeconds = 0.5, LeastPart = 0.05;

    /// <summary>The derivations of both: those of the later run in its order, then those that it does not have.</summary>
    /// <param name="now">The run.</param>
    /// <param name="then">The run that it is compared to.</param>
    public static IReadOnlyList<NixBuildComparison> Of(RunRecord now, RunRecord then)
    {
        var partners = PartnersOf(now.Jobs, then.Jobs);
        var matched = partners.OfType<int>().ToHashSet();
        return
        [
            .. now.Jobs.Select((job, place) => Of(now, job, then, partners[place] is { } other ? then.Jobs[other] : null)),
            .. then.Jobs.Where((_, place) => !matched.Contains(place)).Select(job => Of(now, null, then, job)),
        ];
    }

    private static NixBuildComparison Of(RunRecord nowRun, RecordedJob? now, RunRecord thenRun, RecordedJob? then)
    {
        var job = now ?? then!;
        var difference = now is { IsBuilt: true } && then is { IsBuilt: true } ? now.Seconds - then.Seconds : (double?)null;
        return new()
        {
            Name = job.Job.Name,
            System = job.Job.System,
            Change = ChangeOf(now, then, difference),
            Status = StatusOf(nowRun, now),
            StatusThen = StatusOf(thenRun, then),
            Seconds = now?.Start is null ? null : now.Seconds,
            SecondsThen = then?.Start is null ? null : then.Seconds,
            Difference = difference,
            Builder = now?.Builder,
            BuilderThen = then?.Builder,
            DerivationPath = now?.DerivationPath,
            DerivationPathThen = then?.DerivationPath,
            RunId = nowRun.Id,
            RunIdThen = thenRun.Id,
        };
    }

    private static NixBuildStatus? StatusOf(RunRecord run, RecordedJob? job) => job is null || job.GoesOnIn(run) ? null : job.Status;

    private static NixBuildChange ChangeOf(RecordedJob? now, RecordedJob? then, double? difference) => (now, then, difference) switch
    {
        (_, null, _) => NixBuildChange.New,
        (null, _, _) => NixBuildChange.Gone,
        (_, _, { } seconds) when Math.Abs(seconds) < Math.Max(LeastSeconds, LeastPart * then.Seconds) => NixBuildChange.Alike,
        (_, _, > 0) => NixBuildChange.Slower,
        (_, _, < 0) => NixBuildChange.Faster,
        _ when now.Status.HasFailed() && !then.Status.HasFailed() => NixBuildChange.Failed,
        _ when then.Status.HasFailed() && now.Status.IsSuccess() => NixBuildChange.Mended,
        _ => NixBuildChange.NotBuilt,
    };

    /// <summary>For each job of one run its place in the other; each is the partner of one at most.</summary>
    private static int?[] PartnersOf(IReadOnlyList<RecordedJob> now, IReadOnlyList<RecordedJob> then)
    {
        var partners = new int?[now.Count];
        var free = new bool[then.Count];
        Array.Fill(free, true);
        Match(job => job.DerivationPath);
        Match(job => $"{job.Job.System} {job.Job.Name}");
        Match(job => $"{job.Job.System} {PackagePriors.KeyOf(job.Job)}");
        return partners;

        // Partners are those whose key no other has that is left, in either run.
        void Match(Func<RecordedJob, string> keyOf)
        {
            var earlier = Left(then, place => free[place]).ToLookup(place => keyOf(then[place]));
            foreach (var later in Left(now, place => partners[place] is null).GroupBy(place => keyOf(now[place])))
            {
                if (later.Count() != 1 || earlier[later.Key].Count() != 1) continue;
                var partner = earlier[later.Key].Single();
                partners[later.Single()] = partner;
                free[partner] = false;
            }
        }

        static int[] Left(IReadOnlyList<RecordedJob> jobs, Func<int, bool> isLeft) => [.. Enumerable.Range(0, jobs.Count).Where(isLeft)];
    }
}
