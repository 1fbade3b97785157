using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Serialization;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Simulation;

/// <summary>
/// Reads the files of a simulation: a graph, durations for it, a farm. JSON, gzip-compressed where the name ends in <c>.gz</c>. Sizes and
/// bandwidths are in MB (1,000,000 bytes).
/// </summary>
public static class SimulationFiles
{
    private const double BytesPerMegabyte = 1e6;

    /// <summary>
    /// Reads a graph: <c>{"systems":[…],"roots":[…],"nodes":[{"n":name,"p":pname,"s":system,"i":[inputs],"f":[features],"L":1,"X":1,"P":1}]}</c>.
    /// </summary>
    /// <exception cref="NixBuildFarmException">The file is not such a graph.</exception>
    public static JobGraph ReadGraph(string path)
    {
        var file = Read(path, SimulationJson.Default.GraphFile);
        var roots = file.Roots.ToHashSet();
        return new JobGraph(file.Nodes.Select((node, index) => new Job
        {
            Name = node.Name,
            PackageName = node.PackageName,
            System = node.System >= 0 && node.System < file.Systems.Count ? file.Systems[node.System] : throw Invalid(path, $"node {index} has no system"),
            RequiredFeatures = node.Features,
            PreferLocal = node.PreferLocal != 0,
            IsFixedOutput = node.FixedOutput != 0,
            EnableParallelBuilding = node.Parallel != 0,
            Dependencies = node.Inputs,
            IsRequested = roots.Contains(index),
        }).ToArray());
    }

    /// <summary>Reads durations: <c>{"sec":[…],"mb":[…],"est":[…]}</c>, by index of the graph's nodes.</summary>
    /// <exception cref="NixBuildFarmException">The file is not such a list, or of another graph.</exception>
    public static GraphDurations ReadDurations(string path, JobGraph graph)
    {
        var file = Read(path, SimulationJson.Default.DurationFile);
        if (file.Seconds.Count != graph.Count || file.Megabytes.Count != graph.Count || (file.Estimates.Count != 0 && file.Estimates.Count != graph.Count))
        {
            throw Invalid(path, $"it has {file.Seconds.Count} durations, and the graph has {graph.Count} nodes");
        }
        if (file.Seconds.Concat(file.Megabytes).Concat(file.Estimates).Any(x => !(x >= 0))) throw Invalid(path, "a figure is negative");
        return new GraphDurations([.. file.Seconds], file.Megabytes.Select(m => (long)(m * BytesPerMegabyte)).ToArray())
        {
            TableSeconds = file.Estimates.Count == 0 ? null : [.. file.Estimates],
        };
    }

    /// <summary>
    /// Reads a farm: <c>{"machines":[{"name","systems":[…],"features":[…],"slots","speed","bw","local"}]}</c>. A machine has four cores for
    /// each slot; without <c>bw</c> its link is no limit.
    /// </summary>
    /// <exception cref="NixBuildFarmException">The file is not such a farm.</exception>
    public static IReadOnlyList<FarmBuilder> ReadFarm(string path) => Read(path, SimulationJson.Default.FarmFile).Machines.Select(m =>
    {
        if (!(m.Speed > 0) || m.Slots < 0 || m.Bandwidth <= 0) throw Invalid(path, $"{m.Name} has a speed, a number of slots or a bandwidth that cannot be");
        var bandwidth = m.Bandwidth * BytesPerMegabyte ?? double.PositiveInfinity;
        return new FarmBuilder
        {
            Name = m.Name,
            IsLocal = m.Local,
            Systems = m.Systems.Select(s => new SystemSpeed(s, m.Speed)).ToArray(),
            SupportedFeatures = m.Features,
            MaxJobs = m.Slots,
            Cores = m.Slots * Estimate.ReferenceCores,
            UploadBandwidth = bandwidth,
            DownloadBandwidth = bandwidth,
        };
    }).ToArray();

    /// <summary>Writes a schedule, one line a job, in order of start: <c>{"job":0,"machine":"ruby","start":0.05,"end":1.3,"cores":4}</c>.</summary>
    public static void WriteSchedule(TextWriter writer, SimulationResult result)
    {
        foreach (var entry in result.Schedule.OrderBy(e => e.Start).ThenBy(e => e.Job))
        {
            var line = new ScheduleLine(entry.Job, result.Farm[entry.Builder].Name, Math.Round(entry.Start, 6), Math.Round(entry.End, 6), entry.Cores);
            writer.WriteLine(JsonSerializer.Serialize(line, SimulationJson.Default.ScheduleLine));
        }
    }

    private static T Read<T>(string path, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        try
        {
            using var file = File.OpenRead(path);
            using Stream stream = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new GZipStream(file, CompressionMode.Decompress) : file;
            return JsonSerializer.Deserialize(stream, type) ?? throw Invalid(path, "it is empty");
        }
        catch (Exception e) when (e is JsonException or InvalidDataException)
        {
            throw Invalid(path, e.Message, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException("FileUnreadable", $"{path} cannot be read: {e.Message}", "Check the path.", e);
        }
    }

    private static NixBuildFarmException Invalid(string path, string why, Exception? inner = null) =>
        new("InvalidSimulationFile", $"{path} is not what was expected: {why}.", "about_NixBuildFarm_Simulation describes the formats.", inner);
}

// Setters, not init: what the source generator makes of init forgets the defaults of fields that are missing.
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
