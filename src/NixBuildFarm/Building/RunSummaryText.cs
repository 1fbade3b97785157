using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Reporting;
using NixBuildFarm.Text;

namespace NixBuildFarm.Building;

/// <summary>The summary of a run, in a few lines.</summary>
internal static class RunSummaryText
{
    /// <summary>The tag of the summary in the information stream.</summary>
    public const string Tag = "NixBuildSummary";

    private const int BuildersShown = 8;
    private const int FailuresShown = 5;
    private const int SlowShown = 3;
    private const double LongEvaluation = 1;

    /// <summary>Less than this, in seconds, is nothing.</summary>
    private const double LeastSaved = 0.5;

    /// <summary>A build is slow that took this much longer than expected, as a factor and in seconds.</summary>
    private const double SlowFactor = 1.5, SlowSeconds = 5;

    /// <summary>The lines; none where nothing was to be done.</summary>
    public static IReadOnlyList<string> Of(RunRecord run)
    {
        var report = run.ToReport();
        var todo = report.Jobs.Where(job => job.Status != NixBuildStatus.AlreadyValid).ToArray();
        if (todo.Length == 0) return [];
        return
        [
            .. Failures(report), Headline(report, todo), .. Builders(report), .. Shared(report), .. Pushes(run), .. Slow(report),
        ];
    }

    private static string Headline(RunReport report, ReportJob[] todo)
    {
        var done = todo.Count(job => job.Status?.IsSuccess() == true);
        var fetched = todo.Count(job => job.Status == NixBuildStatus.Substituted);
        var bound = report.LowerBound is > 0 and var seconds
            ? FormattableString.Invariant($", {report.Makespan / seconds:0.00} × the lower bound of {Span(seconds)}")
            : "";
        var fetches = fetched > 0 ? $" ({fetched} fetched)" : "";
        var evaluation = report.EvaluationSeconds >= LongEvaluation ? $" ({Span(report.EvaluationSeconds)} of it evaluation)" : "";
        var sent = HumanText.Bytes(report.SuppliedBytes);
        return $"{done} of {todo.Length} done{fetches} in {Span(report.Seconds)}{evaluation}{bound}; {sent} sent.";
    }

    private static IEnumerable<string> Builders(RunReport report)
    {
        var working = report.Builders.Where(builder => builder is { Kind: ReportBuilderKind.Builder, Builds: > 0 })
            .OrderByDescending(builder => builder.BusySeconds).ToArray();
        var width = working.Take(BuildersShown).Select(builder => builder.Name.Length).DefaultIfEmpty(0).Max();
        foreach (var builder in working.Take(BuildersShown))
        {
            var (name, received) = (builder.Name.PadRight(width), HumanText.Bytes(builder.SuppliedBytes));
            yield return FormattableString.Invariant(
                $"  {name}  {builder.Builds,4} built  {100 * builder.Utilisation,3:0} % busy  {received,9} received");
        }
        if (working.Length > BuildersShown) yield return $"  and {working.Length - BuildersShown} more builders";
    }

    private static IEnumerable<string> Shared(RunReport report)
    {
        var shared = report.Jobs.Where(job => job.Compiles is { Shared: > 0 }).ToArray();
        if (shared.Length == 0) yield break;
        ReportCompiles[] compiles = [.. shared.Select(job => job.Compiles!)];
        var (count, elsewhere, reused) = (compiles.Sum(all => all.Count), compiles.Sum(all => all.Shared), compiles.Sum(all => all.Reused));
        var saved = compiles.All(all => all.SavedSeconds is null) ? ""
            : compiles.Sum(all => all.SavedSeconds ?? 0) is >= LeastSaved and var seconds ? $": about {Span(seconds)} saved"
            : ", which saved nothing";
        var builds = shared.Length == 1 ? shared[0].Name : $"{shared.Length} builds";
        var found = reused > 0 ? $", {reused} of them done before" : "";
        yield return $"  {elsewhere} of {count} compiles of {builds} were done by other builders{found}{saved}.";
    }

    private static IEnumerable<string> Pushes(RunRecord run) => run.Jobs.SelectMany(job => job.Pushes)
        .GroupBy(push => push.Store)
        .OrderBy(store => store.Key, StringComparer.Ordinal)
        .Select(store =>
        {
            var (pushed, all) = (store.Count(push => push.State == PushState.Pushed), store.Count());
            var failure = store.FirstOrDefault(push => push.Error is not null)?.Error?.Split('\n')[0];
            return $"  {pushed} of {all} pushed to {store.Key}{(failure is null ? "" : $": {failure}")}";
        });

    private static IEnumerable<string> Slow(RunReport report) => report.Jobs
        .Where(job => job is { Status: NixBuildStatus.Built, IsGuess: not true } && IsSlow(job.Seconds, job.ExpectedSeconds ?? 0))
        .OrderByDescending(job => job.Seconds - job.ExpectedSeconds).Take(SlowShown)
        .Select(job => $"  Slower than expected: {job.Name} took {Span(job.Seconds)} on {report.Builders[job.Builder ?? 0].Name}, "
            + $"not {Span(job.ExpectedSeconds ?? 0)}");

    private static bool IsSlow(double seconds, double expected) =>
        expected > 0 && seconds > SlowFactor * expected && seconds - expected > SlowSeconds;

    /// <summary>First what went wrong, and what can be done about it. The ends of the logs are in the errors, which follow.</summary>
    private static IEnumerable<string> Failures(RunReport report)
    {
        var failed = report.Jobs.Where(job => job.Status?.HasFailed() == true).ToArray();
        if (failed.Length == 0) yield break;
        foreach (var job in failed.Take(FailuresShown))
        {
            yield return $"{job.Status}: {job.Name}{Place(report, job)}";
            if (job.LogPath is not null) yield return $"  The whole log: Get-NixBuildLog {job.Name} -Run {report.RunId}";
            if (job.BuildFolder is not { } folder) continue;
            yield return $"  Its build directory: {EnterText.Of(folder)}";
            if (EnterText.VariablesIn(folder) is { } variables) yield return $"    {variables}";
        }
        if (failed.Length > FailuresShown)
        {
            yield return $"and {failed.Length - FailuresShown} more: Get-NixBuild {report.RunId} -Result | Where-Object Success -eq $false";
        }
        yield return $"Try again: Get-NixBuild {report.RunId} -Result | Where-Object Success -eq $false | Invoke-NixDistributedBuild";
    }

    private static string Place(RunReport report, ReportJob job)
    {
        var builder = job.Builder is { } row ? $" on {report.Builders[row].Name}" : "";
        var phase = job.Phase is { } name ? $", in {TerminalText.Strip(name)}" : "";
        return job.Start is null ? builder : $"{builder}{phase}, after {Span(job.Seconds)}";
    }

    private static string Span(double seconds) => HumanText.Span(TimeSpan.FromSeconds(seconds));
}
