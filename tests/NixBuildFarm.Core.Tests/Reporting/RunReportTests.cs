using System.Text;
using System.Text.Json;
using NixBuildFarm.History;
using NixBuildFarm.Reporting;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Reporting;

/// <summary>A record becomes something that can be drawn: lanes, a critical path, shares.</summary>
public sealed class RunReportTests
{
    private static readonly DateTimeOffset Began = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Builds_that_overlap_lie_in_lanes_of_their_own_and_a_lane_is_used_again()
    {
        var report = Run(Job("a", 0, 10), Job("b", 2, 5), Job("c", 7, 5), Job("d", 10, 1)).ToReport();

        Assert.Equal([0, 1, 1, 0], report.Jobs.Select(job => job.Lane));
        Assert.Equal(2, Assert.Single(report.Builders).Lanes);
    }

    [Fact]
    public void A_lane_begins_with_the_supply_and_tries_that_came_to_nothing_have_theirs()
    {
        var retried = Job("a", 5, 5) with
        {
            SupplyStart = 3,
            Attempts = [new() { Builder = "kana", Started = Began, Duration = TimeSpan.FromSeconds(3), Reason = "gone" }],
        };

        var report = Run(retried, Job("b", 0, 4)).ToReport();

        Assert.Equal([1, 0], report.Jobs.Select(job => job.Lane));
        var attempt = Assert.Single(report.Jobs[0].Attempts);
        Assert.Equal(
            ("kana", 0, 0d, 3d, false),
            (report.Builders[attempt.Builder!.Value].Name, attempt.Lane, attempt.Start, attempt.Seconds, attempt.GaveWay));
    }

    [Fact]
    public void The_critical_path_goes_back_from_what_ended_last_by_the_input_that_ended_last()
    {
        var report = Run(Job("long", 0, 9), Job("late", 2, 8), Job("top", 10, 1, 0, 1), Job("beside", 0, 10.5)).ToReport();

        Assert.Equal(["late", "top"], report.CriticalPath.Select(index => report.Jobs[index].Name));
    }

    [Fact]
    public void The_bound_is_that_of_the_durations_the_builds_had()
    {
        var chain = Run(Job("a", 1, 4), Job("b", 6, 4, 0)).ToReport();

        Assert.Equal(9, chain.Makespan, 6);
        Assert.Equal(8, chain.LowerBound!.Value, 6);
        Assert.Null((Run(Job("a", 1, 4)) with { State = RunState.Failed }).ToReport().LowerBound);
    }

    [Fact]
    public void A_build_whose_compiles_others_did_does_not_beat_the_bound()
    {
        var job = Job("program", 0, 33);
        job = job with
        {
            Job = job.Job with { EnableParallelBuilding = true },
            Cores = 2,
            SharedCompiles = new() { Count = 31, Shared = 22, Seconds = 60, Saved = TimeSpan.FromSeconds(16) },
        };
        var ruby = new FarmBuilder { Name = "ruby", Systems = [new("x86_64-linux", 1)], MaxJobs = 3 };

        var report = (Run(job) with { Farm = [ruby, ruby with { Name = "kana" }] }).ToReport();

        Assert.InRange(report.LowerBound!.Value, 1, report.Makespan);
    }

    [Theory]
    [InlineData(1, "22 of 31 on 1 other builder")]
    [InlineData(2, "22 of 31 on 2 other builders")]
    public void Shared_compiles_are_told_in_words(int others, string text)
    {
        var shared = new SharedCompiles
        {
            Count = 31,
            Shared = 22,
            Builders =
            [
                new("home", 9, 9, IsHome: true),
                .. Enumerable.Range(0, others).Select(other => new BuilderCompiles($"other{other}", 11, 9, IsHome: false)),
            ],
        };

        Assert.Equal(text, shared.ToString());
    }

    [Fact]
    public void Shares_of_builders_are_of_their_slots_and_the_makespan()
    {
        var builder = Assert.Single(Run(Job("a", 0, 10), Job("b", 0, 5)).ToReport().Builders);

        Assert.Equal((2, 2, 15d, 0.75), (builder.Builds, builder.Slots, builder.BusySeconds, builder.Utilisation));
    }

    [Fact]
    public void Outputs_that_set_out_together_are_one_copy_and_overlapping_copies_have_lanes()
    {
        RecordedJob[] jobs =
        [
            Job("a", 0, 5) with { HomeStart = 6, HomeSeconds = 3, OutputBytes = 10 },
            Job("b", 0, 5) with { HomeStart = 6, HomeSeconds = 3.1, OutputBytes = 20 },
            Job("c", 5, 2) with { HomeStart = 8, HomeSeconds = 2, OutputBytes = 5 },
            Job("stays", 7, 2),
            Job("d", 9, 1) with { HomeStart = 10, HomeSeconds = 1, OutputBytes = 1 },
        ];

        var report = Run(jobs).ToReport();

        Assert.Equal(
            [("0 1", 0, 6d, 3.1, 30L), ("2", 1, 8d, 2d, 5L), ("4", 0, 10d, 1d, 1L)],
            report.Copies.Select(copy => (string.Join(' ', copy.Jobs), copy.Lane, copy.Start, copy.Seconds, copy.Bytes)));
        Assert.All(report.Copies, copy => Assert.Equal("ruby", report.Builders[copy.Builder].Name));
        Assert.Equal(2, report.CopyLanes);
    }

    [Fact]
    public void Fetched_outputs_lie_apart_from_built_ones()
    {
        var fetched = Run(Job("source", 0, 5) with { IsSubstitution = true, Status = NixBuildStatus.Substituted }, Job("a", 0, 5));
        var report = fetched.ToReport();

        Assert.Equal(
            [("ruby", ReportBuilderKind.Builder), ("substituters", ReportBuilderKind.Substituters)],
            report.Builders.Select(builder => (builder.Name, builder.Kind)));
        Assert.Contains("\"kind\":\"builder\"", PageOf(fetched));
        Assert.Contains("\"kind\":\"substituters\"", PageOf(fetched));
        Assert.Equal([0, 0], report.Jobs.Select(job => job.Lane));
    }

    [Fact]
    public void A_run_in_which_nothing_was_built_has_a_report()
    {
        var report = (Run() with { Farm = [], Error = "No daemon." }).ToReport();

        Assert.Equal((0d, null, "No daemon."), (report.Makespan, report.LowerBound, report.Error));
        Assert.Empty(report.CriticalPath);
    }

    [Fact]
    public void A_dependency_that_is_no_job_or_a_circle_does_no_harm()
    {
        var report = (Run(Job("a", 0, 1, 7, -1, 1), Job("b", 1, 1, 0)) with { State = RunState.Stopped }).ToReport();

        Assert.Equal(["a", "b"], report.CriticalPath.Select(index => report.Jobs[index].Name));
    }

    [Fact]
    public void Nothing_in_the_data_can_end_the_script_that_holds_it()
    {
        var evil = "</script><!--<script>&'\"\u2028";
        var text = PageOf(Run(Job(evil, 0, 1)) with { Requested = [evil, "/*DATA*/"] });

        Assert.DoesNotContain(evil, text);
        Assert.DoesNotContain("/*SCRIPT*/", text);
        Assert.Equal(2, text.Split("</script>").Length - 1);
        var json = text.Split("type=\"application/json\">")[1].Split("</script>")[0];
        Assert.Equal(evil, JsonDocument.Parse(json).RootElement.GetProperty("jobs")[0].GetProperty("name").GetString());
    }

    [Fact]
    public void The_page_has_all_modules_in_it_and_loads_none()
    {
        var lines = PageOf(Run(Job("a", 0, 1))).Split('\n');

        Assert.DoesNotContain(
            lines, line => line.StartsWith("import ", StringComparison.Ordinal) || line.StartsWith("export ", StringComparison.Ordinal));
        var modules = typeof(HtmlReport)
            .Assembly.GetManifestResourceNames()
            .Where(name => name.EndsWith(".js", StringComparison.Ordinal))
            .ToArray();
        Assert.True(modules.Length > 10);
        Assert.All(modules, module => Assert.Contains(FirstLineOf(module), lines));
    }

    [Fact]
    public void A_module_of_the_page_stands_after_those_that_it_uses()
    {
        var page = PageOf(Run(Job("a", 0, 1)));

        string[] inOrder = ["const number = ", "const isSubstituters = ", "function layout(", "class Chart ", "let run = JSON.parse("];
        var places = inOrder.Select(text => page.IndexOf(text, StringComparison.Ordinal)).ToArray();
        Assert.All(places, place => Assert.True(place > 0));
        Assert.Equal(places.Order(), places);
    }

    [Theory]
    [InlineData("done")]
    [InlineData("failed")]
    public void The_page_means_by_done_and_failed_what_the_module_does(string set)
    {
        var expected = Enum.GetValues<NixBuildStatus>().Where(status => set == "done" ? status.IsSuccess() : status.HasFailed());

        Assert.Contains(
            $"const {set} = new Set([{string.Join(", ", expected.Select(status => $"'{status}'"))}]);", PageOf(Run()).Split('\n'));
    }

    [Fact]
    public void A_trace_has_a_span_for_supply_and_build_in_microseconds()
    {
        using var stream = new MemoryStream();
        ChromeTrace.Write(Run(Job("a", 2, 3) with { SupplyStart = 1.5 }).ToReport(), stream);

        var spans = JsonDocument.Parse(stream.ToArray())
            .RootElement.GetProperty("traceEvents")
            .EnumerateArray()
            .Where(e => e.GetProperty("ph").GetString() == "X")
            .Select(e => $"{e.GetProperty("cat")} {e.GetProperty("ts")} {e.GetProperty("dur")}");

        Assert.Equal(["supply 1500000 500000", "Built 2000000 3000000"], spans);
    }

    private static string PageOf(RunRecord run)
    {
        using var page = new MemoryStream();
        HtmlReport.Write(run.ToReport(), page);
        return Encoding.UTF8.GetString(page.ToArray());
    }

    private static string FirstLineOf(string resource)
    {
        using var reader = new StreamReader(typeof(HtmlReport).Assembly.GetManifestResourceStream(resource)!);
        return reader.ReadLine()!;
    }

    private static RunRecord Run(params RecordedJob[] jobs) => new()
    {
        Id = "20260301-120000-abcd",
        Started = Began,
        Ended = Began.AddSeconds(20),
        State = RunState.Succeeded,
        Requested = ["top"],
        Farm = [new FarmBuilder { Name = "ruby", Systems = [new("x86_64-linux", 1)], MaxJobs = 2 }],
        Jobs = jobs,
    };

    private static RecordedJob Job(string name, double start, double seconds, params int[] dependencies) => new()
    {
        Job = new() { Name = name, System = "x86_64-linux", Dependencies = dependencies },
        DerivationPath = $"/nix/store/00000000000000000000000000000000-{name}.drv",
        Status = NixBuildStatus.Built,
        Builder = "ruby",
        SupplyStart = start,
        Start = start,
        Seconds = seconds,
    };
}
