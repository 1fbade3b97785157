using System.Buffers;
using System.Text.Json;
using NixBuildFarm.Builders;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Reporting;

/// <summary>
/// Writes a run as the lines of Nix's <c>--log-format internal-json</c>, which nix-output-monitor and others read. Numbers of activities
/// and results are those of Nix's <c>logging.hh</c>. If the lines cannot be written any more, the run goes on without them.
/// </summary>
public sealed class InternalJsonLog : IBuildObserver, IDisposable
{
    private const int Builds = 104, Build = 105;
    private const int LogLine = 101, SetPhase = 104, Progress = 105;
    private const int Error = 0, Warning = 1, Info = 3;

    private readonly object gate = new();
    private readonly ArrayBufferWriter<byte> line = new();
    private readonly BestEffortOutput output;
    private readonly Dictionary<(string Derivation, string Builder), (long Id, string Phase)> running = [];
    private long lastId;
    private readonly long overall;

    /// <summary>Writes to a stream, which it closes at its end.</summary>
    /// <param name="output">Where lines go.</param>
    /// <param name="onFailure">Receives the first failure to write.</param>
    public InternalJsonLog(Stream output, Action<Exception> onFailure)
    {
        this.output = new(output, onFailure);
        overall = Start(Builds, "", []);
    }

    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        lock (gate)
        {
            switch (news)
            {
                case RunNews.Ended(var result): End(result); break;
                case RunNews.Printed(var build, var text): Print(build, text); break;
                case RunNews.Progressed(var progress): Show(progress); break;
                case RunNews.BuilderFailed(_, var error): Message(Error, $"error: {error.Message}"); break;
                case RunNews.HistoryFailed(var error): Message(Warning, $"warning: {error.Message}"); break;
                case RunNews.Degraded(var message): Message(Warning, $"warning: {message}"); break;
                // Readers of this format have no use for the scheduler's decisions.
            }
        }
    }

    /// <summary>Ends the open activities, and closes the stream.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (!output.IsOpen) return;
            foreach (var key in running.Keys.ToArray()) Stop(key);
            Line(json => WriteStop(json, overall));
            output.Dispose();
        }
    }

    private void End(NixBuildResult result)
    {
        foreach (var build in running.Where(build => build.Key.Derivation == result.DerivationPath).ToArray()) Stop(build.Key);
        if (!result.Success && result.Error is not null) Message(Error, $"error: {result.Name}: {result.Error}");
    }

    private void Print(RunningBuild build, string text)
    {
        var id = running.TryGetValue((build.DerivationPath, build.Builder), out var known) ? known.Id : Begin(build);
        Result(id, LogLine, [text]);
    }

    private void Show(RunProgress progress)
    {
        // The supply of inputs comes before the build, and Nix has no word for it.
        var building = progress.Running.Where(build => build.Phase != "supplying");
        var current = building.ToDictionary(build => (build.DerivationPath, build.Builder));
        foreach (var gone in running.Keys.Where(key => !current.ContainsKey(key)).ToArray()) Stop(gone);
        foreach (var (key, build) in current)
        {
            if (!running.TryGetValue(key, out var known)) known = (Begin(build), "");
            if (known.Phase == build.Phase || build.Phase == "building") continue;
            running[key] = known with { Phase = build.Phase };
            Result(known.Id, SetPhase, [build.Phase]);
        }
        Result(overall, Progress, [progress.Done, progress.Total, running.Count, progress.Failed]);
        output.Write(stream => stream.Flush());
    }

    private long Begin(RunningBuild build)
    {
        // An empty machine is this one.
        var machine = build.Builder == NixBuilder.LocalName ? "" : build.Builder;
        var where = machine == "" ? "" : $" on '{machine}'";
        var id = Start(Build, $"building '{build.DerivationPath}'{where}", [build.DerivationPath, machine, 1, 1]);
        running[(build.DerivationPath, build.Builder)] = (id, "");
        return id;
    }

    private long Start(int type, string text, object[] fields)
    {
        var id = ++lastId;
        Line(json =>
        {
            json.WriteString("action", "start");
            json.WriteNumber("id", id);
            json.WriteNumber("level", Info);
            json.WriteNumber("parent", type == Builds ? 0 : overall);
            json.WriteString("text", text);
            json.WriteNumber("type", type);
            WriteFields(json, fields);
        });
        return id;
    }

    private void Stop((string, string) key)
    {
        if (running.Remove(key, out var build)) Line(json => WriteStop(json, build.Id));
    }

    private void Result(long id, int type, object[] fields) => Line(json =>
    {
        json.WriteString("action", "result");
        json.WriteNumber("id", id);
        json.WriteNumber("type", type);
        WriteFields(json, fields);
    });

    private void Message(int level, string text) => Line(json =>
    {
        json.WriteString("action", "msg");
        json.WriteNumber("level", level);
        json.WriteString("msg", text);
    });

    private static void WriteStop(Utf8JsonWriter json, long id)
    {
        json.WriteString("action", "stop");
        json.WriteNumber("id", id);
    }

    private static void WriteFields(Utf8JsonWriter json, object[] fields)
    {
        json.WriteStartArray("fields");
        foreach (var field in fields)
        {
            if (field is string text) json.WriteStringValue(text);
            else json.WriteNumberValue(Convert.ToInt64(field));
        }
        json.WriteEndArray();
    }

    private void Line(Action<Utf8JsonWriter> write)
    {
        if (!output.IsOpen) return;
        line.ResetWrittenCount();
        line.Write("@nix "u8);
        using (var json = new Utf8JsonWriter(line))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }
        line.Write("\n"u8);
        output.Write(stream => stream.Write(line.WrittenSpan));
    }
}
