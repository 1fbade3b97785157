using System.Text.Json;
using Json.Schema;
using NixBuildFarm.Builders;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Reporting.Events;

namespace NixBuildFarm.Core.Tests.Reporting;

/// <summary>The events of a run, a line of JSON each, as their schema has them.</summary>
public sealed class RunEventTests : IDisposable
{
    private static readonly JsonSchema Schema = ReadSchema();

    private readonly string folder = Directory.CreateTempSubdirectory("nixbuildfarm-events-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_run_is_told_from_its_beginning_to_its_end()
    {
        var events = await RunAsync(build => Task.FromResult(build.Succeed()));

        Assert.Equal(RunEventKind.RunBegan, events[0].Event);
        Assert.Equal(RunEventKind.RunEnded, events[^1].Event);
        Assert.Equal("Succeeded", events[^1].State.ToString());
        var found = events.Where(line => line.Event == RunEventKind.WorkFound).SelectMany(line => line.Derivations!).ToArray();
        Assert.Equal(["bottom", "top"], found.Select(derivation => derivation.Name));
        Assert.Equal([0], found[1].Needs);
        Assert.Equal(2, events.Count(line => line is { Event: RunEventKind.DerivationEnded, Status: NixBuildStatus.Built }));
    }

    [Fact]
    public async Task A_failure_is_told_with_its_phase_and_the_end_of_its_log()
    {
        var events = await RunAsync(async build =>
        {
            await build.EnterPhaseAsync("checkPhase");
            await build.LogAsync("the reason");
            return new() { Status = BuildStatus.PermanentFailure, ErrorMessage = "exit code 1" };
        });

        var failed = events.First(line => line.Event == RunEventKind.DerivationEnded);
        Assert.Equal(("checkPhase", "exit code 1"), (failed.Phase, failed.Error));
        Assert.Equal(["the reason"], failed.LogTail!);
    }

    [Fact]
    public void Pushes_that_are_left_and_builds_of_others_are_told_as_they_change()
    {
        var output = new MemoryStream();
        using (var writer = new RunEventWriter(output, error => Assert.Fail(error.Message), new StillTime()))
        {
            foreach (var (pushing, others) in new[] { (0, 0), (3, 2), (3, 2), (1, 0), (0, 0) })
            {
                MachineBuild[] builds =
                [
                    Build(isOwn: true), Build(isOwn: null), .. Enumerable.Range(0, others).Select(_ => Build(isOwn: false)),
                ];
                writer.Observe(new RunNews.Progressed(new(5, 1, 0, [])
                {
                    Pushing = pushing,
                    Machines = new Dictionary<string, MachineReading> { ["ruby"] = new() { Cores = 4, Builds = builds } },
                }));
            }
        }

        var events = Read(output.ToArray());

        Assert.Equal([0, 3, 1, 0], events.Where(line => line.Event == RunEventKind.Progress).Select(line => line.Pushing!.Value));
        Assert.Equal([0, 2, 0], events.Where(line => line.Event == RunEventKind.MachineRead).Select(line => line.OtherBuilds!.Value));

        static MachineBuild Build(bool? isOwn) => new() { IsOwn = isOwn, User = 1, Memory = 0, ProcessorTime = TimeSpan.Zero };
    }

    [Fact]
    public void A_past_run_is_told_in_the_same_way()
    {
        using var output = new MemoryStream();
        RunEventReplay.Write(SampleRun.In(folder), output);

        var events = Read(output.ToArray());

        Assert.Equal(RunEventKind.RunBegan, events[0].Event);
        Assert.Equal(7, events.Count(line => line.Event == RunEventKind.DerivationEnded));
        Assert.Equal(RunEventKind.RunEnded, events[^1].Event);
    }

    [Fact]
    public void A_line_of_a_later_version_is_passed_over() => Assert.Null(RunEventLine.Parse("""{"event":"Unheard","time":"x"}"""));

    [Fact]
    public async Task The_events_of_a_run_are_for_this_user_alone_and_those_of_old_runs_are_deleted()
    {
        var old = Path.Combine(folder, "old.jsonl");
        File.WriteAllText(old, "");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddHours(-2));
        using (var watched = new WatchFile(folder, error => Assert.Fail(error.Message)))
        {
            watched.Observe(new RunNews.Began("20260301-120000-abcd", ["top"]));
        }

        var file = WatchFile.Of(folder, "20260301-120000-abcd");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        var written = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
        Assert.Equal(RunEventKind.RunBegan, Assert.Single(Read(written)).Event);
        Assert.False(File.Exists(old));
    }

    /// <summary>A clock that stands still: nothing is told because time has passed.</summary>
    private sealed class StillTime : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }

    private static async Task<IReadOnlyList<RunEventLine>> RunAsync(Func<FakeBuild, Task<BuildResult>> build)
    {
        var output = new MemoryStream();
        using (var writer = new RunEventWriter(output, error => Assert.Fail(error.Message)))
        {
            using var farm = new FakeFarm("ruby") { Also = writer };
            farm["ruby"].Builds(build);
            await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), on: "ruby");
        }
        return Read(output.ToArray());
    }

    /// <summary>Reads lines, each of which has to be as the schema says.</summary>
    private static RunEventLine[] Read(byte[] bytes) =>
    [
        .. System.Text.Encoding.UTF8.GetString(bytes).TrimEnd().Split('\n').Select(line =>
        {
            var result = Schema.Evaluate(JsonDocument.Parse(line).RootElement, new EvaluationOptions { OutputFormat = OutputFormat.List });
            Assert.True(result.IsValid, line);
            return RunEventLine.Parse(line)!;
        }),
    ];

    private static JsonSchema ReadSchema()
    {
        using var stream = typeof(RunEventTests).Assembly.GetManifestResourceStream("events.schema.json")!;
        using var reader = new StreamReader(stream);
        return JsonSchema.FromText(reader.ReadToEnd());
    }
}
