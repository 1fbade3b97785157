using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Reporting;

/// <summary>A run in which something went well, something went wrong, and names and logs are as bad as they can be.</summary>
internal static class SampleRun
{
    public const string BadText = "<b>& \"q\" | `x` \u001b[31m ]]> \u0001 \ud83d\ude00 ";

    public static readonly DateTimeOffset Began = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Makes it; its logs are in a folder.</summary>
    public static RunRecord In(string folder)
    {
        var log = Path.Combine(folder, "bad.log");
        File.WriteAllText(log, $"compiling\n{BadText}\n```\nit does not compile\n");
        return new()
        {
            Id = "20260301-120000-abcd",
            Started = Began,
            Ended = Began.AddSeconds(20),
            State = RunState.Failed,
            Requested = [$".#checks {BadText}"],
            EvaluationSeconds = 1,
            Farm = [new FarmBuilder { Name = "ruby", Systems = [new("x86_64-linux", 1)], MaxJobs = 2 }],
            Jobs =
            [
                Job("good", NixBuildStatus.Built, 1, 9) with
                {
                    SupplyStart = 0.5, SuppliedBytes = 4096, HomeStart = 10, HomeSeconds = 1, ExpectedSeconds = 5, IsGuess = true,
                    Attempts = [new() { Builder = "kana", Started = Began, Duration = TimeSpan.FromSeconds(1), Reason = "it was lost" }],
                },
                Job("bad", NixBuildStatus.Failed, 2, 3, 0) with
                {
                    Error = $"builder failed with exit code 1: {BadText} \ud800", LogPath = log, Phase = "buildPhase",
                },
                Job("above", NixBuildStatus.DependencyFailed, null, 0, 1),
                Job("alien", NixBuildStatus.NoEligibleBuilder, null, 0) with { Error = "nobody builds it" },
                Job("slow", NixBuildStatus.TimedOut, 3, 4) with { Error = "timed out" },
                Job("late", NixBuildStatus.Cancelled, null, 0),
                Job("old", NixBuildStatus.AlreadyValid, null, 0),
            ],
        };
    }

    private static RecordedJob Job(string name, NixBuildStatus status, double? start, double seconds, params int[] needs) => new()
    {
        Job = new() { Name = name, System = "x86_64-linux", Dependencies = needs },
        DerivationPath = $"/nix/store/00000000000000000000000000000000-{name}.drv",
        Status = status,
        Builder = start is null ? null : "ruby",
        SupplyStart = start,
        Start = start,
        Seconds = seconds,
    };
}
