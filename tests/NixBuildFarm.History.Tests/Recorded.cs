namespace NixBuildFarm.History.Tests;

/// <summary>Runs as they are recorded, with a bit of everything.</summary>
internal static class Recorded
{
    public static RunRecord Run(string id, int minute = 0) => new()
    {
        Id = id,
        Started = Seen.Start.AddMinutes(minute),
        Ended = Seen.Start.AddMinutes(minute + 1),
        State = RunState.Failed,
        Requested = ["nixpkgs#hello", ".#top"],
        Farm =
        [
            new()
            {
                Name = "ruby", Systems = [new("x86_64-linux", 1.5), new("riscv64-linux", 0.1)], MaxJobs = 2, Cores = 8,
                SupportedFeatures = ["kvm", "big-parallel"],
                UploadBandwidth = 12.5e6, Match = ["gcc*", "llvm*"], Exclude = ["*-doc"],
            },
            new() { Name = "local", IsLocal = true, Systems = [new("x86_64-linux", 1)], MaxJobs = 0, MandatoryFeatures = ["x"] },
            new() { Name = "kana", Systems = [new("x86_64-linux", 1)], MaxJobs = 2 },
        ],
        Jobs =
        [
            Job("gcc-14.3.0", "ruby") with
            {
                Pushes =
                [
                    new() { Store = "s3://cache", State = PushState.Pushed },
                    new() { Store = "web1", State = PushState.Failed, Error = "It is full." },
                ],
            },
            Job("llvm-19", "kana") with
            {
                Job = new()
                {
                    Name = "llvm-19",
                    PackageName = "llvm",
                    System = "x86_64-linux",
                    RequiredFeatures = ["kvm"],
                    Dependencies = [0],
                    EnableParallelBuilding = true,
                    IsRequested = true,
                    ExternalInputBytes = 5,
                },
                Attempts =
                [
                    new()
                    {
                        Builder = "ruby",
                        Started = Seen.Start,
                        Duration = TimeSpan.FromSeconds(3),
                        Reason = "ruby does not answer any more.",
                    },
                ],
            },
            Job("source", "local") with { IsSubstitution = true, Status = NixBuildStatus.Substituted },
            Job("bad", "kana") with
            {
                Status = NixBuildStatus.TimedOut,
                Error = "It was silent for \"too\" long\n\u00e9.",
                Start = null,
                ExpectedSeconds = null,
                LogPath = null,
            },
        ],
    };

    public static RecordedJob Job(string name, string? builder) => new()
    {
        Job = new() { Name = name, System = "x86_64-linux" },
        DerivationPath = $"/nix/store/00000000000000000000000000000000-{name}.drv",
        Status = NixBuildStatus.Built,
        Builder = builder,
        SupplyStart = 0.25,
        Start = 1.5,
        Seconds = 12.75,
        ExpectedSeconds = 11,
        Waited = 0.125,
        Cores = 4,
        SuppliedBytes = 1_000_000_000_000,
        OutputBytes = 42,
        PeakMemory = 3_000_000_000,
        ProcessorSeconds = 40.5,
        LogPath = "/home/alice/.local/state/nixbuildfarm/logs/one/x.log",
    };
}
