using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Supplying;
using NixBuildFarm.Work;

namespace NixBuildFarm.Deciding.Journal;

/// <summary>
/// What events are made of, as JSON. Jobs are known by their index, attempts, copies and connections by their number, builders by name and
/// generation.
/// </summary>
internal static class JournalFormat
{
    /// <summary>How all of it is written.</summary>
    public static readonly JsonSerializerOptions Options = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        IgnoreReadOnlyProperties = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter() },
    };

    /// <summary>A value as JSON.</summary>
    public static JsonNode? Value<T>(T value) => JsonSerializer.SerializeToNode(value, Options);

    /// <summary>A value from JSON.</summary>
    public static T To<T>(JsonNode? node) => node.Deserialize<T>(Options)!;

    /// <summary>A builder of the run.</summary>
    public static JsonObject Of(RunBuilder builder)
    {
        var node = Of(builder.Builder);
        node["generation"] = builder.Generation;
        node["memory"] = builder.Memory;
        node["nix"] = builder.NixVersion;
        if (builder.FirstReading is { } reading) node["reading"] = Value(reading);
        if (builder.LeftLoad is { } left) node["leftLoad"] = left;
        return node;
    }

    /// <inheritdoc cref="Of(RunBuilder)"/>
    public static RunBuilder ToRunBuilder(JsonNode node) =>
        new(ToBuilder(node), (int)node["generation"]!, (long?)node["memory"], nixVersion: (string?)node["nix"])
        {
            FirstReading = To<MachineReading?>(node["reading"]),
            LeftLoad = (double?)node["leftLoad"],
        };

    /// <summary>A builder, as far as decisions look at it.</summary>
    public static JsonObject Of(NixBuilder builder) => new()
    {
        ["name"] = builder.Name,
        ["local"] = builder.IsLocal,
        ["cores"] = builder.BuildCores,
        ["speed"] = builder.SpeedFactor,
        ["copyBack"] = builder.Policy.CopyBack?.ToString(),
        ["pushTo"] = Value(builder.Policy.PushTo?.Select(StoreUri.WithoutSecrets)),
        ["push"] = builder.Policy.Push?.ToString(),
        ["pushItself"] = builder.Policy.PushItself,
        ["maxLoad"] = builder.Policy.MaxLoad,
        ["minFreeSpace"] = builder.Policy.MinFreeSpace,
        ["idleOnly"] = builder.Policy.IdleOnly,
    };

    /// <inheritdoc cref="Of(NixBuilder)"/>
    public static NixBuilder ToBuilder(JsonNode node)
    {
        var name = (string)node["name"]!;
        return new NixBuilder
        {
            Name = name,
            HostName = name,
            Uri = name,
            Scheme = (bool)node["local"]! ? StoreScheme.Local : StoreScheme.SshNg,
            Systems = [],
            Cores = (int?)node["cores"],
            SpeedFactor = (double)node["speed"]!,
            Source = "a journal",
        }.WithPolicy(new()
        {
            CopyBack = (string?)node["copyBack"] is { } copyBack ? Enum.Parse<CopyBack>(copyBack) : null,
            PushTo = node["pushTo"] is { } pushTo ? To<string[]>(pushTo) : null,
            Push = (string?)node["push"] is { } push ? Enum.Parse<PushScope>(push) : null,
            PushItself = (bool?)node["pushItself"],
            MaxLoad = (double?)node["maxLoad"],
            MinFreeSpace = (long?)node["minFreeSpace"],
            IdleOnly = (bool?)node["idleOnly"],
        });
    }

    /// <summary>Builders in quarantine.</summary>
    public static JsonArray Of(IEnumerable<(NixBuilder Builder, BuilderTrouble Trouble)> quarantined) =>
        new([.. quarantined.Select(one => new JsonObject { ["builder"] = Of(one.Builder), ["trouble"] = Value(one.Trouble) })]);

    /// <inheritdoc cref="Of(IEnumerable{ValueTuple{NixBuilder, BuilderTrouble}})"/>
    public static IReadOnlyList<(NixBuilder Builder, BuilderTrouble Trouble)> ToQuarantined(JsonNode node) =>
        [.. node.AsArray().Select(one => (ToBuilder(one!["builder"]!), To<BuilderTrouble>(one["trouble"])))];

    /// <summary>What has happened to a shared build.</summary>
    public static JsonNode? Of(LendingEvent happened) => JsonSerializer.SerializeToNode(happened, happened.GetType(), Options);

    /// <inheritdoc cref="Of(LendingEvent)"/>
    public static LendingEvent ToLendingEvent(string kind, JsonNode node) =>
        typeof(LendingEvent).GetNestedType(kind) is { } type
            ? (LendingEvent)node.Deserialize(type, Options)!
            : throw new InvalidOperationException($"Nothing of the kind {kind} happens to a shared build.");

    /// <summary>Work, and what of it waits for what.</summary>
    public static JsonArray Of(IReadOnlyList<WorkItem> items, JobGraph graph) => new([.. items.Select((item, index) => new JsonObject
    {
        ["drv"] = item.Path.ToString(),
        ["job"] = Value(graph[index]),
        ["system"] = item.Derivation.System,
        ["substitution"] = item.IsSubstitution,
        ["expansion"] = item.Expansion is { } made
            ? new JsonObject { ["maker"] = made.Maker.ToString(), ["output"] = made.Output, ["known"] = made.Known?.ToString() }
            : null,
        ["outputs"] = new JsonObject(
            item.Derivation.Outputs.Select(output => KeyValuePair.Create<string, JsonNode?>(
                output.Key, new JsonArray(output.Value.Path?.ToString(), output.Value.HashAlgorithm, output.Value.Hash)))),
    })]);

    /// <inheritdoc cref="Of(IReadOnlyList{WorkItem}, JobGraph)"/>
    public static (IReadOnlyList<RunJob> Jobs, JobGraph Graph) ToWork(JsonNode node)
    {
        JobGraph graph = new([.. node.AsArray().Select(one => To<Job>(one!["job"]))]);
        return ([.. node.AsArray().Select((one, index) => ToJob(one!, index, graph[index]))], graph);
    }

    /// <summary>Outputs by name.</summary>
    public static JsonObject Of(IReadOnlyDictionary<string, StorePath> outputs) =>
        new(outputs.Select(output => KeyValuePair.Create<string, JsonNode?>(output.Key, output.Value.ToString())));

    /// <inheritdoc cref="Of(IReadOnlyDictionary{string, StorePath})"/>
    public static IReadOnlyDictionary<string, StorePath> ToOutputs(JsonNode node) =>
        node.AsObject().ToDictionary(output => output.Key, output => StorePath.Parse((string)output.Value!));

    /// <summary>An error, as far as decisions look at it.</summary>
    public static JsonObject Of(Exception error) => error switch
    {
        BuilderException e =>
            new()
            {
                ["builder"] = e.Builder,
                ["failure"] = e.Failure.ToString(),
                ["message"] = e.Message,
                ["recommendation"] = e.Recommendation,
            },
        DamagedPathException e =>
            new() { ["builder"] = e.Builder, ["damaged"] = e.Path.ToString(), ["message"] = e.InnerException?.Message },
        PathLostException e => new() { ["lost"] = e.Path.ToString() },
        UnsignedPathException e => new() { ["unsigned"] = e.Path.ToString(), ["to"] = e.To },
        NixBuildFarmException e => new() { ["id"] = e.Id, ["message"] = e.Message, ["recommendation"] = e.Recommendation },
        _ => new() { ["message"] = error.Message },
    };

    /// <inheritdoc cref="Of(Exception)"/>
    public static Exception ToError(JsonNode node)
    {
        var message = (string?)node["message"] ?? "";
        if (node["failure"] is { } failure)
        {
            return new BuilderException(
                (string)node["builder"]!, Enum.Parse<BuilderFailure>((string)failure!), message, (string?)node["recommendation"]);
        }
        if (node["damaged"] is { } damaged)
        {
            return new DamagedPathException((string)node["builder"]!, StorePath.Parse((string)damaged!), new IOException(message));
        }
        if (node["lost"] is { } lost) return new PathLostException(StorePath.Parse((string)lost!));
        if (node["unsigned"] is { } unsigned) return new UnsignedPathException((string)node["to"]!, StorePath.Parse((string)unsigned!));
        return node["id"] is { } id
            ? new NixBuildFarmException((string)id!, message, (string?)node["recommendation"])
            : new IOException(message);
    }

    /// <summary>What an attempt came to.</summary>
    public static JsonObject Of(BuildOutcome outcome) => new()
    {
        ["status"] = outcome.Result.Status.ToString(),
        ["message"] = outcome.Result.ErrorMessage,
        ["outputs"] = Of(outcome.Outputs),
        ["atHome"] = outcome.WasAtHome,
        ["log"] = outcome.LogPath,
        ["logProblem"] = outcome.LogProblem,
        ["ended"] = Value(outcome.Ended),
        ["bytes"] = outcome.OutputBytes,
        ["memory"] = outcome.PeakMemory,
        ["processor"] = outcome.ProcessorTime?.TotalSeconds,
    };

    /// <inheritdoc cref="Of(BuildOutcome)"/>
    public static BuildOutcome ToOutcome(JsonNode node) => new(
        new() { Status = Enum.Parse<BuildStatus>((string)node["status"]!), ErrorMessage = (string)node["message"]! },
        ToOutputs(node["outputs"]!),
        (string?)node["log"],
        [])
    {
        WasAtHome = (bool?)node["atHome"] ?? false,
        LogProblem = (string?)node["logProblem"],
        Ended = To<DateTimeOffset>(node["ended"]),
        OutputBytes = (long)node["bytes"]!,
        PeakMemory = (long?)node["memory"],
        ProcessorTime = (double?)node["processor"] is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
    };

    private static Expansion ToExpansion(JsonNode node) =>
        new(StorePath.Parse((string)node["maker"]!), (string)node["output"]!, new([], DynamicInput.None))
        {
            Known = (string?)node["known"] is { } known ? StorePath.Parse(known) : null,
        };

    private static RunJob ToJob(JsonNode node, int index, Job described)
    {
        var outputs = node["outputs"]!.AsObject().ToDictionary(
            output => output.Key,
            output => new DerivationOutput(
                (string?)output.Value![0] is { } path ? StorePath.Parse(path) : null, (string)output.Value[1]!, (string)output.Value[2]!));
        var derivation = new Derivation
        {
            Outputs = outputs,
            InputDerivations = new Dictionary<StorePath, IReadOnlyList<string>>(),
            InputSources = [],
            System = (string)node["system"]!,
            Builder = "",
            Arguments = [],
            Environment = new Dictionary<string, string>(),
        };
        return new()
        {
            Index = index,
            Node = new(index, StorePath.Parse((string)node["drv"]!), derivation, []),
            IsSubstitution = (bool)node["substitution"]!,
            Expansion = node["expansion"] is { } made ? ToExpansion(made) : null,
            IsRequested = described.IsRequested,
            Unresolved = null,
            Inputs = [],
            Wanted = [],
        };
    }
}
