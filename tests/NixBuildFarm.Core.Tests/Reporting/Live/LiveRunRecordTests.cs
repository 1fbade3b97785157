using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Reporting;
using NixBuildFarm.Reporting.Events;
using NixBuildFarm.Reporting.Live;

namespace NixBuildFarm.Core.Tests.Reporting.Live;

/// <summary>The report of a run that goes on, made of its events.</summary>
public sealed class LiveRunRecordTests
{
    private static readonly DateTimeOffset Began = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly LiveRunRecord run = new();

    public LiveRunRecordTests()
    {
        Apply(RunEventKind.RunBegan, 0, line => line with { Run = "20260301-120000-abcd", Requested = ["top"] });
        Apply(RunEventKind.WorkFound, 1, line => line with { Derivations = [Found("bottom"), Found("top", 0)] });
    }

    [Fact]
    public void A_build_that_goes_on_has_lasted_until_now_and_has_no_status()
    {
        Begin("bottom", "ruby", 2, "supplying");
        Enter("bottom", "ruby", 4, "buildPhase");

        var report = Report(at: 10);

        Assert.Equal((RunState.Running, 10.0), (report.State, report.Seconds));
        var bottom = report.Jobs[0];
        Assert.Equal((null, 2.0, 4.0, 6.0, "buildPhase"), (bottom.Status, bottom.SupplyStart, bottom.Start, bottom.Seconds, bottom.Phase));
        Assert.Equal(("ruby", 0.75), (report.Builders[bottom.Builder!.Value].Name, report.Builders[bottom.Builder!.Value].Utilisation));
        Assert.Null(bottom.Error);
        Assert.Equal((null, null, null), (report.Jobs[1].Status, report.Jobs[1].Builder, report.Jobs[1].Start));
    }

    [Fact]
    public void What_has_ended_is_as_the_history_will_have_it()
    {
        Begin("bottom", "ruby", 2, "building");
        End("bottom", "ruby", 8, NixBuildStatus.Built, seconds: 6);
        Begin("top", "kana", 8, "building");
        End("top", "kana", 11, NixBuildStatus.Failed, seconds: 3, line => line with { Error = "exit code 1", Phase = "checkPhase" });
        Apply(RunEventKind.RunEnded, 12, line => line with { State = RunState.Failed });

        var report = Report(at: 100);

        Assert.Equal((RunState.Failed, 12.0), (report.State, report.Seconds));
        Assert.Equal(
            [(NixBuildStatus.Built, 6.0), (NixBuildStatus.Failed, 3.0)], report.Jobs.Select(job => (job.Status!.Value, job.Seconds)));
        Assert.Equal(("exit code 1", "checkPhase"), (report.Jobs[1].Error, report.Jobs[1].Phase));
        Assert.Equal([0], report.CriticalPath);
    }

    [Fact]
    public void A_build_that_came_to_nothing_is_an_attempt_and_one_that_was_overtaken_gave_way()
    {
        Begin("bottom", "opal", 2, "building");
        Apply(RunEventKind.BuildEnded, 5, line => line with { Derivation = PathOf("bottom"), Name = "bottom", Builder = "opal" });
        Begin("bottom", "ruby", 5, "building");
        Begin("bottom", "kana", 6, "building");
        End("bottom", "kana", 9, NixBuildStatus.Built, seconds: 3);

        var job = Report(at: 20).Jobs[0];

        Assert.Equal([(2.0, 3.0, false), (5.0, 4.0, true)], job.Attempts.Select(one => (one.Start, one.Seconds, one.GaveWay)));
        Assert.Equal((6.0, 3.0), (job.Start, job.Seconds));
    }

    [Fact]
    public void A_built_derivation_whose_outputs_are_on_their_way_home_has_not_ended_and_its_build_goes_on_no_longer()
    {
        Begin("bottom", "ruby", 2, "building");
        Apply(RunEventKind.BuildEnded, 5, line => line with { Derivation = PathOf("bottom"), Name = "bottom", Builder = "ruby" });

        var job = Report(at: 20).Jobs[0];

        Assert.Equal((null, 3.0), (job.Status, job.Seconds));
        Assert.Empty(job.Attempts);
    }

    [Fact]
    public void What_was_fetched_has_the_time_that_it_took()
    {
        End("bottom", "local", 7, NixBuildStatus.Substituted, seconds: 5);

        Assert.Equal((2.0, 5.0), (Report(at: 9).Jobs[0].Start, Report(at: 9).Jobs[0].Seconds));
    }

    [Fact]
    public void What_is_left_is_told_until_the_end()
    {
        Apply(RunEventKind.Progress, 3, line => line with { Total = 2, Done = 0, RemainingSeconds = 40, IsGuess = true, Pushing = 2 });
        Assert.Equal(new ReportRemainder(40, true, 2), Report(at: 4).Remainder);

        run.Interrupt();
        Assert.Equal((null, RunState.Interrupted), (Report(at: 9).Remainder, Report(at: 9).State));
    }

    [Fact]
    public void What_a_machine_has_is_told_until_the_end()
    {
        Apply(
            RunEventKind.MachineRead, 3,
            line => line with { Builder = "kana", Cores = 8, Load = 2.5, MemoryAvailable = 1024, OtherBuilds = 2 });
        Assert.Equal(new ReportMachine(8, 2.5, 1024, 2), Assert.Single(Report(at: 4).Builders).Now);

        run.Interrupt();
        Assert.Null(Assert.Single(Report(at: 5).Builders).Now);
    }

    [Fact]
    public void The_slots_of_builders_are_those_of_the_history()
    {
        run.Farm = [new() { Name = "ruby", Systems = [new("x86_64-linux", 1)], MaxJobs = 4 }];
        Begin("bottom", "ruby", 2, "building");
        Apply(RunEventKind.MachineRead, 3, line => line with { Builder = "kana", Cores = 8 });

        Assert.Equal([("ruby", 4), ("kana", 1)], Report(at: 4).Builders.Select(builder => (builder.Name, builder.Slots)));
    }

    [Fact]
    public void Events_of_what_was_never_found_change_nothing()
    {
        Begin("alien", "ruby", 2, "building");
        End("alien", "ruby", 3, NixBuildStatus.Built, seconds: 1);

        Assert.Equal(["bottom", "top"], Report(at: 4).Jobs.Select(job => job.Name));
    }

    private RunReport Report(double at) => run.ToReport(Began.AddSeconds(at));

    private void Begin(string name, string builder, double at, string phase) => Apply(
        RunEventKind.BuildBegan, at, line => line with { Derivation = PathOf(name), Name = name, Builder = builder, Phase = phase });

    private void Enter(string name, string builder, double at, string phase) => Apply(
        RunEventKind.PhaseBegan, at, line => line with { Derivation = PathOf(name), Name = name, Builder = builder, Phase = phase });

    private void End(
        string name, string builder, double at, NixBuildStatus status, double seconds, Func<RunEventLine, RunEventLine>? also = null) =>
        Apply(RunEventKind.DerivationEnded, at, line =>
        {
            line = line with { Derivation = PathOf(name), Name = name, Builder = builder, Status = status, Seconds = seconds };
            return also?.Invoke(line) ?? line;
        });

    private void Apply(RunEventKind kind, double at, Func<RunEventLine, RunEventLine> complete) =>
        run.Apply(complete(new() { Event = kind, Time = Began.AddSeconds(at) }));

    private static FoundDerivation Found(string name, params int[] needs) => new(PathOf(name), name, "x86_64-linux") { Needs = needs };

    private static string PathOf(string name) => $"/nix/store/00000000000000000000000000000000-{name}.drv";
}
