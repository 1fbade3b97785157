using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Serialization;
using NixBuildFarm.Errors;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Simulation;

/// <summary>
/// Reads the files of a simulation: a graph, durations for it, a farm. JSON, gzip-compressed where the name ends in <c>.gz</c>. Sizes and
/// bandwidths are in MB (1,000,000 bytes).
/// </summary>
public static class SimulationFiles
{
    private const double BytesPerMegabyte = 1e6;

    /// <summary>Thirty years, or a petabyte: larger values are mistakes.</summary>
    private const double LargestFigure = 1e9;

    private const int MostSlots = 10_000;

    /// <summary>
    /// Reads a graph:
    /// <c>{"systems":[…],"roots":[…],"nodes":[{"n":name,"p":pname,"s":system,"i":[inputs],"f":[features],"L":1,"X":1,"P":1}]}</c>.
    /// </summary>
    /// <exception cref="NixBuildFarmException">The file is not such a graph.</exception>
    public static JobGraph ReadGraph(string path)
    {
        var file = Read(path, SimulationJson.Default.GraphFile);
        RequireNoNull(path, "systems", file.Systems);
        RequireNoNull(path, "nodes", file.Nodes);
        var roots = (file.Roots ?? throw Invalid(path, "roots is null")).ToHashSet();
        if (roots.Any(root => root < 0 || root >= file.Nodes.Count)) throw Invalid(path, "a root is no index of a node");
        var jobs = new Job[file.Nodes.Count];
        for (var index = 0; index < jobs.Length; index++)
        {
            var node = file.Nodes[index];
            if (string.IsNullOrEmpty(node.Name)) throw Invalid(path, $"nodes[{index}] has no name n");
            if (node.System < 0 || node.System >= file.Systems.Count)
            {
                throw Invalid(path, $"nodes[{index}].s is {node.System}, and there are {file.Systems.Count} systems");
            }
            RequireNoNull(path, $"nodes[{index}].f", node.Features);
            jobs[index] = new Job
            {
                Name = node.Name,
                PackageName = node.PackageName,
                System = file.Systems[node.System],
                RequiredFeatures = node.Features,
                PreferLocal = node.PreferLocal != 0,
                IsFixedOutput = node.FixedOutput != 0,
                EnableParallelBuilding = node.Parallel != 0,
                Dependencies = node.Inputs ?? throw Invalid(path, $"nodes[{index}].i is null"),
                Inputs = BuildInputs.Of(
                    node.Inputs.Where(input => input >= 0 && input < jobs.Length).Select(input => file.Nodes[input].Name)),
                IsRequested = roots.Contains(index),
            };
        }
        try
        {
            return new JobGraph(jobs);
        }
        catch (NixBuildFarmException e)
        {
            throw Invalid(path, e.Message.TrimEnd('.'), e);
        }
    }

    /// <summary>Reads durations: <c>{"sec":[…],"mb":[…],"est":[…]}</c>, by index of the graph's nodes.</summary>
    /// <exception cref="NixBuildFarmException">The file is not such a list, or of another graph.</exception>
    public static GraphDurations ReadDurations(string path, JobGraph graph)
    {
        var file = Read(path, SimulationJson.Default.DurationFile);
        RequireFigures(path, "sec", file.Seconds, graph.Count);
        RequireFigures(path, "mb", file.Megabytes, graph.Count);
        if (file.Estimates is not { Count: 0 }) RequireFigures(path, "est", file.Estimates, graph.Count);
        return new GraphDurations([.. file.Seconds], file.Megabytes.Select(m => (long)(m * BytesPerMegabyte)).ToArray())
        {
            TableSeconds = file.Estimates.Count == 0 ? null : [.. file.Estimates],
        };
    }

    /// <summary>
    /// Reads a farm: <c>{"machines":[{"name","systems":[…],"features":[…],"slots","speed","bw","memory","local"}]}</c>. A machine has four
    /// cores for each slot; without <c>bw</c> its link is no limit, without <c>memory</c> its memory.
    /// </summary>
    /// <exception cref="NixBuildFarmException">The file is not such a farm.</exception>
    public static IReadOnlyList<FarmBuilder> ReadFarm(string path)
    {
        var machines = Read(path, SimulationJson.Default.FarmFile).Machines;
        RequireNoNull(path, "machines", machines);
        var names = new HashSet<string>();
        for (var i = 0; i < machines.Count; i++)
        {
            var machine = machines[i];
            if (string.IsNullOrEmpty(machine.Name)) throw Invalid(path, $"machines[{i}] has no name");
            if (!names.Add(machine.Name)) throw Invalid(path, $"machines[{i}] is a second one of the name {machine.Name}");
            RequireNoNull(path, $"machines[{i}].systems", machine.Systems);
            RequireNoNull(path, $"machines[{i}].features", machine.Features);
            if (!(machine.Speed > 0 && machine.Speed <= LargestFigure))
            {
                throw Invalid(path, $"the speed of {machine.Name} (machines[{i}]) is no number above 0");
            }
            if (machine.Slots is < 0 or > MostSlots)
            {
                throw Invalid(path, $"the slots of {machine.Name} (machines[{i}]) are not 0 to {MostSlots}");
            }
            if (machine.Bandwidth is { } limit && !(limit > 0))
            {
                throw Invalid(path, $"the bw of {machine.Name} (machines[{i}]) is no number above 0");
            }
            if (machine.Memory is { } memory && !(memory > 0 && memory <= LargestFigure))
            {
                throw Invalid(path, $"the memory of {machine.Name} (machines[{i}]) is no number above 0");
            }
        }
        if (machines.Count == 0) throw Invalid(path, "it has no machines");
        if (machines.Count(m => m.Local) > 1) throw Invalid(path, "several machines are local");
        return [.. machines.Select(ToFarmBuilder)];
    }

    private static FarmBuilder ToFarmBuilder(FarmMachine machine)
    {
        var bandwidth = machine.Bandwidth * BytesPerMegabyte ?? double.PositiveInfinity;
        return new FarmBuilder
        {
            Name = machine.Name,
            IsLocal = machine.Local,
            Systems = machine.Systems.Select(s => new SystemSpeed(s, machine.Speed)).ToArray(),
            SupportedFeatures = machine.Features,
            MaxJobs = machine.Slots,
            Cores = machine.Slots * Estimate.ReferenceCores,
            Memory = (long?)(machine.Memory * BytesPerMegabyte),
            UploadBandwidth = bandwidth,
            DownloadBandwidth = bandwidth,
        };
    }

    /// <summary>
    /// Writes a schedule, one line a job, in order of start: <c>{"job":0,"machine":"ruby","start":0.05,"end":1.3,"cores":4}</c>.
    /// </summary>
    public static void WriteSchedule(TextWriter writer, SimulationResult result)
    {
        foreach (var entry in result.Schedule.OrderBy(e => e.Start).ThenBy(e => e.Job))
        {
            var line = new ScheduleLine(
                entry.Job, result.Farm[entry.Builder].Name, Math.Round(entry.Start, 6), Math.Round(entry.End, 6), entry.Cores);
            writer.WriteLine(JsonSerializer.Serialize(line, SimulationJson.Default.ScheduleLine));
        }
    }

    private static T Read<T>(string path, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        try
        {
            using var file = File.OpenRead(path);
            using Stream stream = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase)
                ? new GZipStream(file, CompressionMode.Decompress)
                : file;
            return JsonSerializer.Deserialize(stream, type) ?? throw Invalid(path, "it is empty");
        }
        catch (JsonException e)
        {
            var what = e.Message.Split(" Path: ")[0].TrimEnd('.');
            throw Invalid(
                path, $"{what} ({(e.Path is null ? "" : $"{e.Path}, ")}line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1})", e);
        }
        catch (InvalidDataException e)
        {
            throw Invalid(path, $"it is not compressed by gzip, or damaged: {e.Message.TrimEnd('.')}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException("FileUnreadable", $"{path} cannot be read: {e.Message}", "Check the path.", e);
        }
    }

    // The reader may leave null in properties that are not nullable.
    private static void RequireNoNull<T>(string path, string what, IReadOnlyList<T?>? list)
    {
        if (list is null) throw Invalid(path, $"{what} is null");
        for (var i = 0; i < list.Count; i++)
        {
            if (list[i] is null) throw Invalid(path, $"{what}[{i}] is null");
        }
    }

    private static void RequireFigures(string path, string what, IReadOnlyList<double>? figures, int count)
    {
        if (figures?.Count != count) throw Invalid(path, $"{what} has {figures?.Count ?? 0} figures, and the graph has {count} nodes");
        for (var i = 0; i < count; i++)
        {
            if (!(figures[i] >= 0 && figures[i] <= LargestFigure))
            {
                throw Invalid(path, $"{what}[{i}] is not between 0 and {LargestFigure:0}");
            }
        }
    }

    private static NixBuildFarmException Invalid(string path, string why, Exception? inner = null) =>
        new(
            "MalformedSimulationFile",
            $"{path} is not what was expected: {why}.",
            "The help of Measure-NixBuild describes the formats.",
            inner);
}

// Setters, not init: with init, the source generator forgets the defaults of missing fields.
internal sealed record GraphFile
{
    [JsonPropertyName("systems")] public required IReadOnlyList<string> Systems { get; set; }
    [JsonPropertyName("roots")] public IReadOnlyList<int> Roots { get; set; } = [];
    [JsonPropertyName("nodes")] public required IReadOnlyList<GraphNode> Nodes { get; set; }
}

internal sealed record GraphNode
{
    [JsonPropertyName("n")] public required string Name { get; set; }
    [JsonPropertyName("p")] public string? PackageName { get; set; }
    [JsonPropertyName("s")] public required int System { get; set; }
    [JsonPropertyName("i")] public IReadOnlyList<int> Inputs { get; set; } = [];
    [JsonPropertyName("f")] public IReadOnlyList<string> Features { get; set; } = [];
    [JsonPropertyName("L")] public int PreferLocal { get; set; }
    [JsonPropertyName("X")] public int FixedOutput { get; set; }
    [JsonPropertyName("P")] public int Parallel { get; set; }
}

internal sealed record DurationFile
{
    [JsonPropertyName("sec")] public required IReadOnlyList<double> Seconds { get; set; }
    [JsonPropertyName("mb")] public required IReadOnlyList<double> Megabytes { get; set; }
    [JsonPropertyName("est")] public IReadOnlyList<double> Estimates { get; set; } = [];
}

internal sealed record FarmFile
{
    [JsonPropertyName("machines")] public required IReadOnlyList<FarmMachine> Machines { get; set; }
}

internal sealed record FarmMachine
{
    [JsonPropertyName("name")] public required string Name { get; set; }
    [JsonPropertyName("systems")] public required IReadOnlyList<string> Systems { get; set; }
    [JsonPropertyName("features")] public IReadOnlyList<string> Features { get; set; } = [];
    [JsonPropertyName("slots")] public required int Slots { get; set; }
    [JsonPropertyName("speed")] public double Speed { get; set; } = 1;
    [JsonPropertyName("bw")] public double? Bandwidth { get; set; }
    [JsonPropertyName("memory")] public double? Memory { get; set; }
    [JsonPropertyName("local")] public bool Local { get; set; }
}

internal sealed record ScheduleLine(
    [property: JsonPropertyName("job")] int Job,
    [property: JsonPropertyName("machine")] string Machine,
    [property: JsonPropertyName("start")] double Start,
    [property: JsonPropertyName("end")] double End,
    [property: JsonPropertyName("cores")] int Cores);

[JsonSerializable(typeof(GraphFile))]
[JsonSerializable(typeof(DurationFile))]
[JsonSerializable(typeof(FarmFile))]
[JsonSerializable(typeof(ScheduleLine))]
internal sealed partial class SimulationJson : JsonSerializerContext;
