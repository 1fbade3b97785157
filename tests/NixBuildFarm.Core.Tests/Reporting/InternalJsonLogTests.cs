using System.Text;
using System.Text.Json;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Reporting;

namespace NixBuildFarm.Core.Tests.Reporting;

/// <summary>A run in the words of Nix's internal-json.</summary>
public sealed class InternalJsonLogTests : IDisposable
{
    private const string Drv = "/nix/store/00000000000000000000000000000000-hello-2.12.drv";
    private readonly MemoryStream written = new();
    private readonly List<Exception> failures = [];

    public void Dispose() => written.Dispose();

    [Fact]
    public void A_build_starts_names_its_phases_prints_and_stops()
    {
        using (var log = new InternalJsonLog(written, failures.Add))
        {
            log.Observe(new RunNews.Progressed(new(2, 0, 0, [Build("supplying")])));
            log.Observe(new RunNews.Progressed(new(2, 0, 0, [Build("building")])));
            log.Observe(new RunNews.Printed(Build("building"), "gcc -c \"x\"\tä\e[0m"));
            log.Observe(new RunNews.Progressed(new(2, 0, 0, [Build("installPhase")])));
            log.Observe(new RunNews.Progressed(new(2, 1, 0, [])));
        }

        var lines = Lines().Where(line => line.GetProperty("action").GetString() != "result" || Type(line) != 105).ToArray();
        Assert.Equal(
            ["start 104", "start 105", "result 101", "result 104", "stop", "stop"],
            lines.Select(line => $"{line.GetProperty("action").GetString()}{(Type(line) is { } type ? $" {type}" : "")}"));
        Assert.Equal([Drv, "ruby", "1", "1"], Fields(lines[1]));
        Assert.Equal(["gcc -c \"x\"\tä\e[0m"], Fields(lines[2]));
        Assert.Equal(["installPhase"], Fields(lines[3]));
        Assert.Equal(lines[1].GetProperty("id").GetInt64(), lines[4].GetProperty("id").GetInt64());
    }

    [Fact]
    public void Counts_are_done_expected_running_failed()
    {
        using var log = new InternalJsonLog(written, failures.Add);

        log.Observe(new RunNews.Progressed(new(9, 3, 2, [Build("building")])));

        Assert.Equal(["3", "9", "1", "2"], Fields(Lines()[^1]));
    }

    [Fact]
    public void What_is_substituted_is_no_build_and_the_last_end_is_counted()
    {
        using (var log = new InternalJsonLog(written, failures.Add))
        {
            log.Observe(new RunNews.Ended(Result(NixBuildStatus.Substituted, "source")));
            log.Observe(new RunNews.Progressed(new(3, 1, 0, [Build("building")]) { Substitutions = 1 }));
            Assert.Equal(["0", "2", "1", "0"], Fields(Lines()[^1]));
            log.Observe(new RunNews.Ended(Result(NixBuildStatus.Built, "hello-2.12")));
            log.Observe(new RunNews.Ended(Result(NixBuildStatus.Built, "bye")));
        }

        Assert.Equal(["2", "2", "0", "0"], Fields(Lines().Last(line => Type(line) == 105)));
    }

    [Fact]
    public void A_build_that_was_too_short_for_any_progress_is_an_activity_all_the_same()
    {
        using (var log = new InternalJsonLog(written, failures.Add))
        {
            log.Observe(new RunNews.Ended(Result(NixBuildStatus.Built, "short")));
            log.Observe(new RunNews.Progressed(new(1, 1, 0, [])));
        }

        var build = Assert.Single(Lines(), line => Type(line) == 105 && line.GetProperty("action").GetString() == "start");
        Assert.EndsWith("-short.drv' on 'ruby'", build.GetProperty("text").GetString());
        Assert.Contains(
            Lines(),
            line => line.GetProperty("action").GetString() == "stop"
                && line.GetProperty("id").GetUInt64() == build.GetProperty("id").GetUInt64());
    }

    [Fact]
    public void A_copy_is_an_activity_with_its_bytes_and_all_of_them_are_counted()
    {
        var first = new RunningCopy(7, "/nix/store/a", "local", "ssh-ng://ruby") { Bytes = 300, Shipment = 5, Following = 1 };
        var second = first with { Id = 8, Path = "/nix/store/b", From = "ssh-ng://ruby", To = "local", Following = 0 };
        using (var log = new InternalJsonLog(written, failures.Add))
        {
            log.Observe(new RunNews.Copying(first));
            log.Observe(new RunNews.Copying(first with { Sent = 200 }));
            log.Observe(new RunNews.Copying(first with { Sent = 300, State = CopyState.Arrived }));
            log.Observe(new RunNews.Copying(second));
        }

        var lines = Lines();
        var begun = lines.Where(line => Type(line) == 100).ToArray();
        Assert.Equal(
            ["copying path '/nix/store/a' to 'ssh-ng://ruby'", "copying path '/nix/store/b' from 'ssh-ng://ruby'"],
            begun.Select(line => line.GetProperty("text").GetString()));
        Assert.Equal(["/nix/store/a", "local", "ssh-ng://ruby"], Fields(begun[0]));
        Assert.Equal(["0/300", "200/300", "300/300"], Counts(begun[0]).Select(fields => $"{fields[0]}/{fields[1]}"));
        var all = lines.Single(line => Type(line) == 103);
        // The second is expected from the start. It goes on when the log has ended.
        Assert.Equal(["0", "2", "1", "0"], Counts(all)[0]);
        Assert.Equal(["1", "1", "0", "0"], Counts(all)[^1]);
        Assert.Equal(Ids("start").Order(), Ids("stop").Order());

        string[][] Counts(JsonElement activity) =>
            [.. lines.Where(line => Type(line) == 105 && line.GetProperty("id").GetUInt64() == activity.GetProperty("id").GetUInt64())
                .Select(Fields)];

        IEnumerable<ulong> Ids(string action) =>
            lines.Where(line => line.GetProperty("action").GetString() == action).Select(line => line.GetProperty("id").GetUInt64());
    }

    [Fact]
    public void This_machine_has_no_name()
    {
        using var log = new InternalJsonLog(written, failures.Add);

        log.Observe(new RunNews.Progressed(new(1, 0, 0, [Build("building", "local")])));

        Assert.Equal("", Fields(Lines().Single(line => Type(line) == 105 && line.GetProperty("action").GetString() == "start"))[1]);
    }

    [Fact]
    public void A_failure_ends_its_build_and_is_a_message()
    {
        using var log = new InternalJsonLog(written, failures.Add);
        log.Observe(new RunNews.Progressed(new(1, 0, 0, [Build("building")])));

        log.Observe(new RunNews.Ended(new()
        {
            Name = "hello-2.12", DerivationPath = Drv, System = "x86_64-linux", Status = NixBuildStatus.Failed,
            Error = "exit code 3\nsee the log", RunId = "r",
        }));

        var lines = Lines();
        Assert.Equal("stop", lines[^2].GetProperty("action").GetString());
        Assert.Equal(
            ("msg", 0, "error: hello-2.12: exit code 3\nsee the log"),
            (
                lines[^1].GetProperty("action").GetString(),
                lines[^1].GetProperty("level").GetInt32(),
                lines[^1].GetProperty("msg").GetString()));
    }

    [Fact]
    public void When_no_more_can_be_written_that_is_told_once()
    {
        using (var log = new InternalJsonLog(new FullStream(), failures.Add))
        {
            log.Observe(new RunNews.Progressed(new(1, 0, 0, [Build("building")])));
            log.Observe(new RunNews.Printed(Build("building"), "one"));
        }

        Assert.Equal("No space left", Assert.Single(failures).Message);
    }

    [Fact]
    public void A_derivation_that_is_built_twice_at_once_is_two_activities()
    {
        using var log = new InternalJsonLog(written, failures.Add);

        log.Observe(new RunNews.Progressed(new(1, 0, 0, [Build("building"), Build("building", "kana")])));

        Assert.Equal(
            ["kana", "ruby"],
            Lines()
                .Where(line => Type(line) == 105 && line.GetProperty("action").GetString() == "start")
                .Select(line => Fields(line)[1])
                .Order());
    }

    private static RunningBuild Build(string phase, string builder = "ruby") =>
        new("hello-2.12", builder, DateTimeOffset.UnixEpoch, phase) { DerivationPath = Drv };

    private static NixBuildResult Result(NixBuildStatus status, string name) => new()
    {
        Name = name, DerivationPath = Drv.Replace("hello-2.12", name, StringComparison.Ordinal), System = "x86_64-linux", Status = status,
        Builder = "ruby", Started = DateTimeOffset.UnixEpoch, RunId = "r",
    };

    private JsonElement[] Lines() =>
        [.. Encoding.UTF8.GetString(written.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line =>
    {
        Assert.StartsWith("@nix {", line);
        return JsonDocument.Parse(line["@nix ".Length..]).RootElement;
    })];

    private static int? Type(JsonElement line) => line.TryGetProperty("type", out var type) ? type.GetInt32() : null;

    private static string[] Fields(JsonElement line) => [.. line.GetProperty("fields").EnumerateArray().Select(field => field.ToString())];
}
