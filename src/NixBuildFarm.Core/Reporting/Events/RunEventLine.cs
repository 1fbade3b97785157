using System.Text.Json;
using System.Text.Json.Serialization;
using NixBuildFarm.History;
using NixBuildFarm.Observing;

namespace NixBuildFarm.Reporting.Events;

/// <summary>What an event of a run is about; docs/events.md says what each has.</summary>
public enum RunEventKind
{
    /// <summary>The run has begun.</summary>
    RunBegan,

    /// <summary>Derivations that are to be built or fetched are known.</summary>
    WorkFound,

    /// <summary>A build has begun, with the supply of its inputs.</summary>
    BuildBegan,

    /// <summary>A build has entered a phase.</summary>
    PhaseBegan,

    /// <summary>A build goes on no longer; where it has decided the derivation, that has its own event.</summary>
    BuildEnded,

    /// <summary>A derivation has ended, for good.</summary>
    DerivationEnded,

    /// <summary>A store path is copied.</summary>
    CopyBegan,

    /// <summary>A store path has arrived, or has not.</summary>
    CopyEnded,

    /// <summary>How far the run is.</summary>
    Progress,

    /// <summary>What a machine has.</summary>
    MachineRead,

    /// <summary>Something is not as it should be; the run goes on.</summary>
    Warning,

    /// <summary>The run has ended.</summary>
    RunEnded,
}

/// <summary>One event of a run as a line of JSON. What an event does not have is not in its line.</summary>
public sealed record RunEventLine
{
    /// <summary>What has happened.</summary>
    public required RunEventKind Event { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>The id of the run.</summary>
    public string? Run { get; init; }

    /// <summary>What was asked for, in the user's words.</summary>
    public IReadOnlyList<string>? Requested { get; init; }

    /// <summary>The derivations, in the order of all such events: what one needs are places among all of them.</summary>
    public IReadOnlyList<FoundDerivation>? Derivations { get; init; }

    /// <summary>The path of the derivation.</summary>
    public string? Derivation { get; init; }

    /// <summary>The name of the derivation.</summary>
    public string? Name { get; init; }

    /// <summary>The builder.</summary>
    public string? Builder { get; init; }

    /// <summary>The phase; <c>supplying</c> while the inputs of a build are on their way.</summary>
    public string? Phase { get; init; }

    /// <summary>How many seconds a build is expected to take there.</summary>
    public double? ExpectedSeconds { get; init; }

    /// <summary>Whether that is a guess.</summary>
    public bool? IsGuess { get; init; }

    /// <summary>How a derivation has ended.</summary>
    public NixBuildStatus? Status { get; init; }

    /// <summary>How many seconds its build took.</summary>
    public double? Seconds { get; init; }

    /// <summary>The error.</summary>
    public string? Error { get; init; }

    /// <summary>The file with its log.</summary>
    public string? LogPath { get; init; }

    /// <summary>The last lines of its log, if it failed.</summary>
    public IReadOnlyList<string>? LogTail { get; init; }

    /// <summary>Tells a copy from the others of the run.</summary>
    public long? Copy { get; init; }

    /// <summary>The store path that is copied.</summary>
    public string? Path { get; init; }

    /// <summary>The store that gives it.</summary>
    public string? From { get; init; }

    /// <summary>The store that takes it.</summary>
    public string? To { get; init; }

    /// <summary>Bytes: of a copy its size, of a run what was sent.</summary>
    public long? Bytes { get; init; }

    /// <summary>Derivations to be built or fetched.</summary>
    public int? Total { get; init; }

    /// <summary>How many of them are.</summary>
    public int? Done { get; init; }

    /// <summary>How many have failed, or are not tried because of that.</summary>
    public int? Failed { get; init; }

    /// <summary>How many builds run.</summary>
    public int? Running { get; init; }

    /// <summary>Seconds that are left, as far as can be said; see <see cref="IsGuess"/>.</summary>
    public double? RemainingSeconds { get; init; }

    /// <summary>How many times outputs of a derivation are still to be put into a store.</summary>
    public int? Pushing { get; init; }

    /// <summary>Cores of the machine.</summary>
    public int? Cores { get; init; }

    /// <summary>Its load of the last minute.</summary>
    public double? Load { get; init; }

    /// <summary>Its memory, in bytes.</summary>
    public long? Memory { get; init; }

    /// <summary>How much of that is available.</summary>
    public long? MemoryAvailable { get; init; }

    /// <summary>How many builds go on there that are not of this run.</summary>
    public int? OtherBuilds { get; init; }

    /// <summary>What is not as it should be.</summary>
    public string? Message { get; init; }

    /// <summary>How the run has ended.</summary>
    public RunState? State { get; init; }

    /// <summary>Reads a line; null: it is none of this version.</summary>
    public static RunEventLine? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, RunEventJson.Default.RunEventLine);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The line, without its end.</summary>
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, RunEventJson.Default.RunEventLine);
}

/// <summary>How events are written: names as in other JSON, enumerations by name.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(RunEventLine))]
internal sealed partial class RunEventJson : JsonSerializerContext;
