using NixBuildFarm.Building;
using NixBuildFarm.History;
using NixBuildFarm.Planning;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.View.Tests;

/// <summary>What a plan and a run come to, in a few lines.</summary>
public sealed class SummaryTests : IDisposable
{
    private static readonly DateTimeOffset Began = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly string folder = Directory.CreateTempSubdirectory("nixbuildfarm-summary-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_plan_answers_how_long_where_and_what_is_sent_and_fetched()
    {
        var lines = Of(
            new()
            {
                Span = new(TimeSpan.FromSeconds(130), TimeSpan.FromSeconds(200), TimeSpan.FromSeconds(340)),
                FetchedPaths = 31, DownloadBytes = 1 << 20, UnpackedBytes = 3 << 20,
                InputBytes = new Dictionary<string, long> { ["ruby"] = 2 << 20, ["kana"] = 1 << 20 },
            },
            Build("a", "ruby"), Build("b", "ruby"), Build("c", "kana"));

        Assert.Equal(
            [
                "3 derivations will be built, 31 paths will be fetched (1.0 MiB download, 3.0 MiB unpacked).",
                "That takes about 3 m 20 s (2 m 10 s to 5 m 40 s in eight runs of ten). Planned on ruby (2), kana (1). "
                    + "At most 3.0 MiB of inputs will be sent: what the builders have already is not.",
            ],
            lines);
    }

    [Fact]
    public void Where_nothing_is_known_no_number_is_invented()
    {
        var lines = Of(new() { Span = Span(), IsGuess = true }, Build("a", "ruby", isGuess: true));

        Assert.Equal(
            ["1 derivation will be built.", "How long that takes is not known, as no build of these packages is. Planned on ruby (1)."],
            lines);
    }

    [Fact]
    public void Where_most_is_a_guess_the_range_says_so_and_guesses_are_counted()
    {
        var lines = Of(new() { Span = Span(), IsGuess = true }, Build("a", "ruby"), Build("b", "ruby", isGuess: true));

        Assert.StartsWith("That takes perhaps 1.0 s to 3.0 s, which is a guess for the greater part.", lines[1], StringComparison.Ordinal);
        Assert.Equal("1 of 2 durations are guesses, marked with “?”: no build of these packages is known.", lines[2]);
    }

    [Fact]
    public void What_cannot_be_built_is_said()
    {
        var lines = Of(new(), Step("a", NixBuildPlanAction.NoEligibleBuilder), Step("b", NixBuildPlanAction.DependencyFailed));

        Assert.Equal(
            ["Nothing will be built or fetched.",
             "2 derivations cannot be built: no builder may take 1 of them, and the rest needs these."],
            lines);
    }

    [Fact]
    public void The_duration_of_a_guess_has_a_question_mark()
    {
        Assert.Equal("5.0 s?", PlanView.Duration(TimeSpan.FromSeconds(5), true));
        Assert.Equal("5.0 s", PlanView.Duration(TimeSpan.FromSeconds(5), false));
        Assert.Equal("", PlanView.Duration(null, true));
    }

    [Fact]
    public void Failures_come_first_with_what_can_be_done_about_them()
    {
        File.WriteAllText(Path.Combine(folder, "env-vars"), "");

        var lines = RunSummaryText.Of(Failed());

        Assert.Equal(
            [
                "Failed: bad-1.0 on ruby, in checkPhase, after 3.0 s",
                "  The whole log: Get-NixBuildLog bad-1.0 -Run 20260301-120000-abcd",
                $"  Its build directory: cd '{folder}'",
                "    env-vars there has the variables. It is a script that the build could write: read it before you source it.",
                "Try again: Get-NixBuild 20260301-120000-abcd -Result | Where-Object Success -eq $false | Invoke-NixDistributedBuild",
            ],
            lines.Take(5));
        Assert.StartsWith("1 of 2 done", lines[5], StringComparison.Ordinal);
    }

    [Fact]
    public void A_build_is_not_called_slow_by_a_guess() =>
        Assert.DoesNotContain(RunSummaryText.Of(Failed()), line => line.Contains("Slower", StringComparison.Ordinal));

    private RunRecord Failed() => new()
    {
        Id = "20260301-120000-abcd",
        Started = Began,
        Ended = Began.AddSeconds(120),
        State = RunState.Failed,
        Requested = ["bad"],
        Farm = [new FarmBuilder { Name = "ruby", Systems = [new("x86_64-linux", 1)], MaxJobs = 2 }],
        Jobs =
        [
            Job("good", NixBuildStatus.Built, 100) with { ExpectedSeconds = 5, IsGuess = true },
            Job("bad-1.0", NixBuildStatus.Failed, 3) with { Phase = "checkPhase", BuildFolder = folder, LogPath = "/logs/bad.log" },
        ],
    };

    private static RecordedJob Job(string name, NixBuildStatus status, double seconds) => new()
    {
        Job = new() { Name = name, System = "x86_64-linux" },
        DerivationPath = $"/nix/store/00000000000000000000000000000000-{name}.drv",
        Status = status,
        Builder = "ruby",
        SupplyStart = 0,
        Start = 0,
        Seconds = seconds,
    };

    private static string[] Of(PlanOutlook outlook, params NixBuildPlan[] steps) => [.. PlanSummaryText.Of(new(steps, outlook))];

    private static PlanSpan Span() => new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(3));

    private static NixBuildPlan Build(string name, string builder, bool isGuess = false) => new()
    {
        Name = name, DerivationPath = name, System = "x86_64-linux", Action = NixBuildPlanAction.Build, Builder = builder,
        Start = TimeSpan.Zero, End = TimeSpan.FromSeconds(1), Why = "it ends there first",
        EstimateSource = isGuess ? EstimateSource.Guess : EstimateSource.Run,
    };

    private static NixBuildPlan Step(string name, NixBuildPlanAction action) =>
        new() { Name = name, DerivationPath = name, System = "x86_64-linux", Action = action, Why = "so" };
}
